package servers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/inkwell-project/inkwell/internal/repository"
)

// Root is the folder of the repository.
func Root() string { return repository.Root() }

// Tool runs one of test/tools' scripts and returns the line that it prints: a class path, an interpreter, a binary.
func Tool(ctx context.Context, script string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(Root(), "test", "tools", script))
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("test/tools/%s: %w\n%s", script, err, complaint.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// Build compiles the inkwell binary below .cache/bin and returns its path. CGO is off, as in releases. INKWELL_TEST_BINARY names one that is there already.
func Build(ctx context.Context) (string, error) {
	if binary := os.Getenv("INKWELL_TEST_BINARY"); binary != "" {
		return binary, nil
	}
	binary := filepath.Join(Root(), ".cache", "bin", "inkwell")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/inkwell")
	cmd.Dir = Root()
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building inkwell: %w\n%s", err, out)
	}
	return binary, nil
}

// BuildOlder compiles into dir an inkwell that knows feature levels up to the given one and no later, as an older release does.
func BuildOlder(ctx context.Context, dir string, level int) (string, error) {
	binary := filepath.Join(dir, "inkwell")
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", fmt.Sprintf("-X main.featureLevel=%d -X main.version=older", level), "-o", binary, "./cmd/inkwell")
	cmd.Dir = Root()
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building an older inkwell: %w\n%s", err, out)
	}
	return binary, nil
}
