package load

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Row is one line of a table of figures.
type Row struct{ Figure, Measured, Target string }

// Table is what a benchmark measured.
type Table struct {
	Title string
	Rows  []Row
	Part  bool // of what there is to measure: it is printed and does not take the place of a whole one
}

// String is the table in Markdown.
func (t Table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | measured | target |\n|---|---|---|\n", t.Title)
	for _, r := range t.Rows {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Figure, r.Measured, r.Target)
	}
	return b.String()
}

// Main is the main function of a benchmark that makes one table. It adds the flags that say where the table goes; an interrupt ends ctx.
func Main(name string, measure func(ctx context.Context) (Table, error)) {
	results := flag.String("results", "", "folder that the table is saved in; empty for none")
	readme := flag.String("readme", "", "README whose table is replaced; empty for none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	table, err := measure(ctx)
	if err == nil {
		err = publish(table, name, *results, *readme)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// publish prints a table, and unless results is empty saves it there with the machine's description and puts it into the README between its name's markers.
func publish(t Table, name, results, readme string) error {
	fmt.Print(t)
	if results == "" || t.Part {
		return nil
	}
	now := time.Now().UTC()
	path := filepath.Join(results, now.Format("2006-01-02T150405Z")+"-"+name+".md")
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "# %s, %s\n\n%s.\n\n%s", name, now.Format("2006-01-02"), Machine(), t), 0o644); err != nil {
		return err
	}
	fmt.Println("\nsaved in", path)
	if readme == "" {
		return nil
	}
	return UpdateReadme(readme, name, fmt.Sprintf("%s ([results](%s)):\n\n%s", Machine(), path, t))
}

// UpdateReadme replaces what is between <!-- NAME:begin --> and <!-- NAME:end -->.
func UpdateReadme(path, name, text string) error {
	readme, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+":begin -->", "<!-- "+name+":end -->"
	before, rest, ok := strings.Cut(string(readme), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s … %s", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+text+end+after), 0o644)
}

// Machine describes what figures were taken on.
func Machine() string {
	model := "unknown processor"
	if cpu, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for _, line := range strings.Split(string(cpu), "\n") {
			if rest, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(rest, "\t :"))
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // stays empty elsewhere than on Linux
	java := "unknown"
	if out, err := exec.Command("java", "-version").CombinedOutput(); err == nil {
		java, _, _ = strings.Cut(string(out), "\n")
	}
	return fmt.Sprintf("%d cores of %s, Linux %s, %s, %s", runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version(), java)
}
