// Package settings reads a command's settings from defaults, a YAML file, the environment and flags, each overriding the one before.
//
// # Contract
//   - Order: defaults, then the file named by --config, then INKWELL_* variables, then flags.
//   - Failure: Load reports every mistake at once: unknown names, values of the wrong kind and values out of bounds, each with where it was given.
package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// ErrHelp is returned when --help was asked for; the text was written.
var ErrHelp = errors.New("help was asked for")

// EnvPrefix starts the name of every environment variable that is a setting: INKWELL_NUM_PARTITIONS is num.partitions.
const EnvPrefix = "INKWELL_"

// ofOthers are variables that a command ignores when it has no such setting: a shell exports them for whichever of its commands wants them.
var ofOthers = []string{EnvPrefix + "ADMIN_PASSWORD", EnvPrefix + "CLUSTER_PASSWORD", EnvPrefix + "METADATA", EnvPrefix + "METADATA_TLS_CA"}

// delimiter between levels of nested YAML keys; names may contain dots themselves, so nested keys are joined with the same dot.
const delimiter = "."

type setting struct {
	name, help, def, kind string
	set                   func(string) error
}

// Set is the settings of one command.
type Set struct {
	command string
	intro   string
	byName  map[string]*setting
	ordered []*setting
	rest    []string
}

// New makes an empty set for a command; intro is the first paragraph of its help.
func New(command, intro string) *Set {
	s := &Set{command: command, intro: intro, byName: map[string]*setting{}}
	s.ordered = append(s.ordered, &setting{name: "config", kind: "FILE", help: "YAML file with settings, by their names"})
	return s
}

func (s *Set) add(name, kind, def, help string, set func(string) error) {
	if s.byName[name] != nil {
		panic("settings: " + name + " is defined twice")
	}
	st := &setting{name: name, kind: kind, def: def, help: help, set: set}
	s.byName[name] = st
	s.ordered = append(s.ordered, st)
}

// String defines a text setting; check may be nil.
func (s *Set) String(p *string, name, def, help string, check func(string) error) {
	s.add(name, "TEXT", def, help, func(v string) error {
		*p = v
		if check != nil {
			return check(v)
		}
		return nil
	})
}

// Bool defines a setting that is true or false; as a flag it may stand without a value.
func (s *Set) Bool(p *bool, name string, def bool, help string) {
	s.add(name, "BOOL", strconv.FormatBool(def), help, func(v string) (err error) {
		if *p, err = strconv.ParseBool(v); err != nil {
			return errors.New("want true or false")
		}
		return nil
	})
}

// Int defines a whole number between low and high.
func (s *Set) Int(p *int64, name string, def, low, high int64, help string) {
	s.add(name, "NUMBER", strconv.FormatInt(def, 10), help, func(v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < low || n > high {
			return fmt.Errorf("want a whole number from %d to %d", low, high)
		}
		*p = n
		return nil
	})
}

var units = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}, {"", 1}}

// Bytes defines a size such as 8MiB or 1048576.
func (s *Set) Bytes(p *int64, name, def string, low, high int64, help string) {
	s.add(name, "SIZE", def, help, func(v string) error {
		for _, u := range units {
			digits, ok := strings.CutSuffix(v, u.suffix)
			if !ok {
				continue
			}
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			if err == nil && n <= high/u.bytes && n*u.bytes >= low {
				*p = n * u.bytes
				return nil
			}
			break
		}
		return fmt.Errorf("want a size such as 8MiB, from %d to %d bytes", low, high)
	})
}

// Duration defines a time span such as 250ms.
func (s *Set) Duration(p *time.Duration, name string, def, low, high time.Duration, help string) {
	s.add(name, "TIME", def.String(), help, func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < low || d > high {
			return fmt.Errorf("want a time such as 250ms, from %s to %s", low, high)
		}
		*p = d
		return nil
	})
}

// value is where a given value came from.
type value struct{ where string }

// Load reads all sources and sets the variables. args are the command's arguments without its name; env is os.Environ's form.
func (s *Set) Load(args, env []string, help io.Writer) error {
	flags, mistakes, wantsHelp := s.parseFlags(args)
	if wantsHelp {
		s.writeHelp(help)
		return ErrHelp
	}
	k := koanf.New(delimiter)
	given := map[string]value{}
	layer := func(values map[string]any, where func(name string) string) {
		_ = k.Load(confmap.Provider(values, ""), nil) // a map in memory cannot fail to load
		for name := range values {
			given[name] = value{where: where(name)}
		}
	}
	defaults := map[string]any{}
	for _, st := range s.byName {
		defaults[st.name] = st.def
	}
	layer(defaults, func(string) string { return "its default" })
	fromEnv, configFile := s.environment(env)
	if f, ok := flags["config"]; ok {
		configFile = f.(string)
		delete(flags, "config")
	}
	if configFile != "" {
		fromFile, err := readFile(configFile)
		if err != nil {
			mistakes = append(mistakes, err)
		}
		layer(fromFile, func(string) string { return configFile })
	}
	layer(fromEnv, envName)
	layer(flags, func(name string) string { return "--" + name })
	return errors.Join(append(mistakes, s.assign(k, given)...)...)
}

func (s *Set) assign(k *koanf.Koanf, given map[string]value) (mistakes []error) {
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		st, where := s.byName[name], given[name].where
		if st == nil {
			mistakes = append(mistakes, fmt.Errorf("%s: no setting %q of inkwell %s; `inkwell %s --help` lists them", where, name, s.command, s.command))
			continue
		}
		text := fmt.Sprint(k.Get(name))
		if err := st.set(text); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %s is %q: %w", where, name, text, err))
		}
	}
	return mistakes
}

func (s *Set) parseFlags(args []string) (flags map[string]any, mistakes []error, help bool) {
	flags = map[string]any{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--help" || arg == "-h" || arg == "help" {
			return nil, nil, true
		}
		name, ok := strings.CutPrefix(arg, "--")
		if !ok {
			s.rest = append(s.rest, arg)
			continue
		}
		name, text, hasValue := strings.Cut(name, "=")
		st := s.byName[name]
		switch {
		case hasValue:
		case st != nil && st.kind == "BOOL":
			text = "true"
		case i+1 < len(args):
			i++
			text = args[i]
		default:
			mistakes = append(mistakes, fmt.Errorf("--%s: a value is missing", name))
			continue
		}
		flags[name] = text
	}
	return flags, mistakes, false
}

// environment takes the variables that start with EnvPrefix.
func (s *Set) environment(env []string) (values map[string]any, configFile string) {
	byEnv := map[string]string{}
	for name := range s.byName {
		byEnv[envName(name)] = name
	}
	values = map[string]any{}
	for _, kv := range env {
		key, text, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(key, EnvPrefix) || strings.HasPrefix(key, EnvPrefix+"TEST_") {
			continue
		}
		name, ok := byEnv[key]
		switch {
		case key == EnvPrefix+"CONFIG":
			configFile = text
		case ok:
			values[name] = text
		case !slices.Contains(ofOthers, key):
			values[key] = text // unknown, reported with the others
		}
	}
	return values, configFile
}

func envName(name string) string {
	return EnvPrefix + strings.Map(func(r rune) rune {
		if r == '.' || r == '-' {
			return '_'
		}
		return r
	}, strings.ToUpper(strings.TrimPrefix(name, EnvPrefix)))
}

func readFile(path string) (map[string]any, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	k := koanf.New(delimiter)
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return nil, fmt.Errorf("%s: not readable as YAML: %w", filepath.Base(path), err)
	}
	return k.All(), nil
}

// Args are the arguments that are not flags.
func (s *Set) Args() []string { return s.rest }

func (s *Set) writeHelp(w io.Writer) {
	fmt.Fprintf(w, "inkwell %s\n\n%s\n\nSettings, as flags, as %sNAME in the environment or by name in the --config file:\n\n", s.command, s.intro, EnvPrefix)
	for _, st := range s.ordered {
		fmt.Fprintf(w, "  --%s %s\n      %s", st.name, st.kind, st.help)
		if st.def != "" {
			fmt.Fprintf(w, " (default %s)", st.def)
		}
		fmt.Fprintln(w)
	}
}
