package vet

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

const directive = "//sendoff:allow"

// allowances are the allow comments of a package.
type allowances struct {
	fset  *token.FileSet
	codes map[line][]string
	bad   []finding
}

type line struct {
	file string
	line int
}

// has tells whether a finding of the rule is allowed at a position.
func (a *allowances) has(pos token.Pos, code string) bool {
	p := a.fset.Position(pos)
	return slices.Contains(a.codes[line{p.Filename, p.Line}], code)
}

// readAllowances reads the allow comments. One with code before it holds for
// that line, another one for the next line.
func (c *inspection) readAllowances() *allowances {
	a := &allowances{fset: c.pass.Fset, codes: map[line][]string{}}
	for _, f := range c.pass.Files {
		var used map[int]bool
		for _, g := range f.Comments {
			for _, comment := range g.List {
				rest, ok := strings.CutPrefix(comment.Text, directive)
				if !ok || rest != "" && !strings.HasPrefix(rest, " ") {
					continue
				}
				if used == nil {
					used = linesOfCode(c.pass.Fset, f)
				}
				a.add(comment, rest, used)
			}
		}
	}
	return a
}

// linesOfCode are the lines of a file on which something begins or ends.
func linesOfCode(fset *token.FileSet, f *ast.File) map[int]bool {
	used := map[int]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n.(type) {
		case nil, *ast.File:
			return true
		case *ast.Comment, *ast.CommentGroup:
			return false
		}
		used[fset.Position(n.Pos()).Line] = true
		used[fset.Position(n.End()-1).Line] = true
		return true
	})
	return used
}

func (a *allowances) add(comment *ast.Comment, rest string, used map[int]bool) {
	rest, _, _ = strings.Cut(rest, "// want") // of our own tests
	words := strings.Fields(rest)
	if len(words) == 0 {
		a.bad = append(a.bad, at(comment, codeAllow, "an allow comment without a code"))
		return
	}
	codes := strings.Split(words[0], ",")
	for _, code := range codes {
		if _, ok := RuleOf(code); !ok {
			a.bad = append(a.bad, at(comment, codeAllow, "an allow comment for "+code+", which is no rule"))
			return
		}
	}
	if len(words) == 1 {
		a.bad = append(a.bad, at(comment, codeAllow, "an allow comment without a reason"))
		return
	}
	p := a.fset.Position(comment.Pos())
	if !used[p.Line] {
		p.Line++
	}
	here := line{p.Filename, p.Line}
	a.codes[here] = append(a.codes[here], codes...)
}
