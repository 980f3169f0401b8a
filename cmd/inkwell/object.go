package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/inkwell-project/inkwell/internal/settings"
)

// objectCommands look after the objects of clusters, each in a file of its own.
var objectCommands = map[string]struct {
	run  command
	help string
}{
	"inspect": {runObjectInspect, "print what is in one object, and where it is damaged"},
	"jobs":    {runObjectJobs, "list what the Compaction Jobs of a cluster have to do, do, and failed to do"},
	"verify":  {runObjectVerify, "compare the coordinates of a cluster with its objects"},
	"purge":   {runObjectPurge, "delete the objects of a cluster that was deleted"},
}

// runObject finds what to do with objects.
func runObject(ctx context.Context, args []string) error {
	names := make([]string, 0, len(objectCommands))
	for name := range objectCommands {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(args) == 0 {
		return fmt.Errorf("say what to do: %s; `inkwell object --help` says more", strings.Join(names, ", "))
	}
	if args[0] == "--help" || args[0] == "-h" || args[0] == "help" {
		fmt.Fprintln(os.Stdout, "inkwell object: looks after the objects of clusters in their stores")
		for _, name := range names {
			fmt.Fprintf(os.Stdout, "  inkwell object %-10s %s\n", name, objectCommands[name].help)
		}
		return settings.ErrHelp
	}
	found, ok := objectCommands[args[0]]
	if !ok {
		return fmt.Errorf("cannot %q; want %s", args[0], strings.Join(names, ", "))
	}
	return found.run(ctx, args[1:])
}
