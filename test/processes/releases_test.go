package processes

import (
	"strings"
	"testing"

	"github.com/inkwell-project/inkwell/test/servers"
)

// TestTwoReleases: nodes of an older release and one of this work together, and nothing is written that the older cannot read. When all run this release the level is raised;
// from then on an older node is refused, new or old.
func TestTwoReleases(t *testing.T) {
	newer := binary(t)
	older, err := servers.BuildOlder(t.Context(), t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	secret := secretFile(t, "a")
	one := newMember(t, 1, secret, "")
	nodes := []*servers.Server{one.start(t, older)}
	all := []*member{one, newMember(t, 2, secret, one.listen), newMember(t, 3, secret, one.listen)}
	nodes = append(nodes, all[1].start(t, older), all[2].start(t, newer))
	awaitMembers(t, one.listen, 3)
	ask := strings.Join([]string{all[0].listen, all[1].listen, all[2].listen}, ",")
	admin := func(fails bool, words []string, args ...string) {
		t.Helper()
		out, err := inkwell(t, append(args, "--metadata", ask)...)
		if (err != nil) != fails {
			t.Fatalf("inkwell %v: %v\n%s", args, err, out)
		}
		wantWords(t, out, words...)
	}
	limit := []string{"cluster", "limit", "orders", "--max.partitions", "100"}
	admin(false, []string{"INKWELL_CLUSTER_PASSWORD"}, "cluster", "create", "orders")
	admin(true, []string{"level 2", "metadata features upgrade"}, limit...)
	admin(true, []string{"[1 2]"}, "metadata", "features", "upgrade", "2")
	for i, m := range all[:2] { // one after the other, as an operator would
		if err := nodes[i].Stop(); err != nil {
			t.Fatal(err)
		}
		nodes[i] = m.start(t, newer)
		awaitMembers(t, ask, 3)
	}
	admin(false, []string{"metadata.version"}, "metadata", "features", "upgrade", "2")
	admin(false, nil, limit...)

	newMember(t, 4, secret, all[2].listen).refused(t, older, "level 2", "metadata.version", "start the node with a release")
	if err := nodes[1].Stop(); err != nil {
		t.Fatal(err)
	}
	all[1].refused(t, older, "level 2", "release")
	all[1].start(t, newer) // nothing is lost
	awaitMembers(t, ask, 3)
	admin(false, []string{"orders"}, "cluster", "list")
}
