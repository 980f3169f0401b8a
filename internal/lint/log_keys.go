package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// logKeys are all keys of log lines. Who searches logs needs one name for one thing: before adding a name, look for the one that is there.
var logKeys = keySet(`
	cluster cluster_id node nodes broker brokers rack address addresses raft_address peer listener leader
	topic topic_id topics partition partitions coordinator batch_coordinators replicas object objects resource name
	group groups members generation with_offsets epoch term index offset base_offset high_watermark position start newest from
	api version client_id credential error reason cause panic stack
	job kind loop attempt attempts wait waited took age bytes change state limits feature level force replaced_by path suppressed
	commit.interval broker.session.timeout.ms max.connections join cert ca`)

func keySet(names string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}

// LogKeys lists where a file's log lines have a key that is not one of the fixed ones; seen counts the keys that it found.
func LogKeys(file string) (wrong []string, seen int, err error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, nil, 0)
	if err != nil {
		return nil, 0, err
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		for i := firstKey(call); i < len(call.Args); i += 2 {
			literal, ok := call.Args[i].(*ast.BasicLit)
			if !ok {
				break // a slice of keys and values; what makes it is not seen
			}
			seen++
			if key, err := strconv.Unquote(literal.Value); err != nil || !logKeys[key] {
				wrong = append(wrong, fmt.Sprintf("%s: %s", files.Position(literal.Pos()), literal.Value))
			}
		}
		return true
	})
	return wrong, seen, nil
}

// firstKey is which argument of a logger's method is the first key; of other calls, one that is not there.
func firstKey(call *ast.CallExpr) int {
	none := len(call.Args)
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return none
	}
	receiver := ""
	switch x := method.X.(type) {
	case *ast.SelectorExpr:
		receiver = x.Sel.Name
	case *ast.Ident:
		receiver = x.Name
	}
	receiver = strings.ToLower(receiver)
	if !strings.HasSuffix(receiver, "log") && !strings.HasSuffix(receiver, "logger") {
		return none
	}
	switch method.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
		return 1 // after the message
	case "With":
		return 0
	}
	return none
}
