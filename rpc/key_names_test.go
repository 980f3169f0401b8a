package rpc

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

func TestEveryKeyHasItsName(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "private_api.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Key") {
			return true
		}
		key, err := strconv.ParseInt(spec.Values[0].(*ast.BasicLit).Value, 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if want := strings.TrimPrefix(spec.Names[0].Name, "Key"); KeyName(int16(key)) != want {
			t.Errorf("key %d is called %s, want %s", key, KeyName(int16(key)), want)
		}
		return true
	})
	if seen < 20 || KeyName(29999) != "private API 29999" {
		t.Errorf("%d keys, and %s", seen, KeyName(29999))
	}
}
