package compat

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/test/servers"
)

// tooling is what the run needs from outside.
type tooling struct {
	classPath     string // Kafka's jars
	driverClasses string
	python        string
	inkwell       string
	dir           string // goes with the run
}

// system is one of the two that are compared, behind a proxy that all clients go through.
type system struct {
	name   string
	server *servers.Server
	proxy  *proxy
	tools  *tooling
}

func (s *system) bootstrap() string { return s.proxy.address() }

var (
	systems []*system
	only    = flag.String("systems", "kafka,inkwell", "the systems to run against")
	keepLog = flag.Bool("server-logs", false, "print the systems' logs at the end of the run")
)

func TestMain(m *testing.M) {
	// Scenarios wait more than they work: for sessions that end, for members that join.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	flag.Parse() // may set it again
	if testing.Short() {
		fmt.Println("compat: skipped by -short")
		return
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "inkwell-compat-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	tools, err := prepare(ctx, dir)
	if err != nil {
		return 1, err
	}
	defer func() {
		for _, s := range systems {
			s.proxy.close()
			if stopErr := s.server.Stop(); stopErr != nil && err == nil {
				err = stopErr
			}
			if code != 0 || *keepLog {
				fmt.Printf("--- end of %s's log\n%s\n", s.name, s.server.LogTail(20_000))
			}
		}
	}()
	for _, name := range strings.Split(*only, ",") {
		s, err := start(ctx, tools, name)
		if err != nil {
			return 1, err
		}
		systems = append(systems, s)
	}
	return m.Run(), nil
}

func prepare(ctx context.Context, dir string) (*tooling, error) {
	t := &tooling{dir: dir, driverClasses: filepath.Join(dir, "classes")}
	var err error
	if t.classPath, err = servers.Tool(ctx, "kafka.sh"); err != nil {
		return nil, err
	}
	if t.python, err = servers.Tool(ctx, "python.sh"); err != nil {
		return nil, err
	}
	if strings.Contains(*only, "inkwell") {
		if t.inkwell, err = servers.Build(ctx); err != nil {
			return nil, err
		}
	}
	return t, compileDriver(ctx, t.classPath, t.driverClasses)
}

func start(ctx context.Context, t *tooling, name string) (*system, error) {
	p, err := startProxy()
	if err != nil {
		return nil, err
	}
	opts := servers.Options{Dir: filepath.Join(t.dir, name), Advertised: p.address()}
	s := &system{name: name, proxy: p, tools: t}
	if name == "kafka" {
		opts.Extra = kafkaJobs
		s.server, err = servers.StartKafka(ctx, t.classPath, opts)
	} else {
		opts.Extra = inkwellJobs
		s.server, err = servers.StartInkwell(ctx, t.inkwell, opts)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	p.serve(s.server.Listen)
	return s, nil
}
