package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstallNamesWhatIsMissing: on a machine without what the tests need, by someone who may not install it, `make test` ends with the packages' names.
func TestInstallNamesWhatIsMissing(t *testing.T) {
	bare := t.TempDir()
	for _, name := range []string{"bash", "dirname", "env"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bare, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(bare, "id"), []byte("#!"+filepath.Join(bare, "bash")+"\necho 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bare, "bash"), filepath.Join(Root(), "test", "tools", "install.sh"))
	cmd.Env = []string{"PATH=" + bare}
	out, err := cmd.CombinedOutput()
	const packages = "default-jdk-headless maven gcc libc6-dev python3-venv"
	if err == nil || !strings.Contains(string(out), "missing: "+packages+"; on Debian or Ubuntu: sudo apt-get install -y "+packages) {
		t.Errorf("%v\n%s", err, out)
	}
}
