// Command inkwell is every role of Inkwell in one binary: dev, metadata, broker and cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/inkwell-project/inkwell/internal/settings"
)

// version is set by the linker for releases.
var version = "0.1.0-dev"

const usage = `inkwell: stateless, diskless Kafka brokers over object storage, and one Metadata Kafka Cluster for many of them

Commands:
  inkwell dev         one process with everything: a one-node Metadata cluster, one Inkless cluster named dev, one broker
  inkwell metadata    a node of the Metadata Kafka Cluster
  inkwell broker      a stateless broker of one Inkless cluster
  inkwell cluster     create, list, describe, limit, suspend and delete Inkless clusters on a Metadata cluster
  inkwell object      look after the objects of clusters
  inkwell version     the version

inkwell COMMAND --help lists a command's settings.
`

// command runs until ctx ends (SIGTERM or SIGINT) and then drains.
type command func(ctx context.Context, args []string) error

var commands = map[string]command{
	"dev":       runDev,
	"metadata":  runMetadata,
	"broker":    runBroker,
	"cluster":   runCluster,
	"object":    runObject,
	"--version": runVersion,
	"version":   runVersion,
}

func runVersion(context.Context, []string) error {
	fmt.Println(version)
	return nil
}

func main() {
	tuneRuntime()
	os.Exit(run(os.Args[1:]))
}

// tuneRuntime fits the runtime to a process that waits for disks. A goroutine in fdatasync keeps its processor until the runtime notices: with as many as cores, an upload
// and a commit at the same time would hold up everything else.
func tuneRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(8, 2*runtime.NumCPU()))
	}
}

func run(args []string) int {
	if len(args) == 0 || args[0] == "--help" || args[0] == "-h" || args[0] == "help" {
		fmt.Print(usage)
		if len(args) == 0 {
			return 2
		}
		return 0
	}
	run, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(os.Stderr, "inkwell: no command %q\n\n%s", args[0], usage)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch err := plain(run(ctx, args[1:])); {
	case err == nil, errors.Is(err, settings.ErrHelp):
		return 0
	default:
		fmt.Fprintf(os.Stderr, "inkwell %s: %v\n", args[0], err)
		if code := exitCode(0); errors.As(err, &code) {
			return int(code)
		}
		return 1
	}
}

// exitCode is an error whose exit code says more than that there was one.
type exitCode int

// exitFindings: everything worked, and what was looked for was found.
const exitFindings exitCode = 3

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }
