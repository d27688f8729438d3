package words_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bare are the ways in which a number that means something stands in a statement.
var bare = []*regexp.Regexp{
	regexp.MustCompile(`\b(state|kind|reason|(last_)?outcome|(last_)?cause|part|flags|undo)\b *(=|<>|<=?|>=?|&|\||(not )?(in|between)) *[(~-]*[0-9]`),
	regexp.MustCompile(`\bneed *= *-`),
	regexp.MustCompile(`\$[0-9]+ *(=|<>|<=?|>=?|&|\||(not )?in) *[(~-]*[0-9]+(:?$|[^0-9:]|:[^:])`),
	regexp.MustCompile(`\bwhen +-?[0-9]`),
	regexp.MustCompile(`(^|[^$0-9])[0-9]+::int2`),
	regexp.MustCompile(`\(task, part, bytes\)\s*(values|select)\s*\(?[^,]+, *[0-9]`),
	regexp.MustCompile(`(^|[^\w.$?+])([2-9]|[0-9]{2,})\b`),
}

// other numbers are what they are.
var other = regexp.MustCompile(`1000000|lane << 3|1::int8 << 62`)

// bareNumbers are the places in a statement at which a number stands where there is a
// word for it.
func bareNumbers(statement string) []string {
	var found []string
	statement = other.ReplaceAllString(statement, "")
	for _, way := range bare {
		found = append(found, way.FindAllString(statement, -1)...)
	}
	return found
}

func TestStatementsSayTheirNumbersInWords(t *testing.T) {
	statements := 0
	for _, floor := range []string{"../../sqlite", "../../postgres"} {
		paths, err := filepath.Glob(floor + "/*.go")
		require.NoError(t, err)
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			files := token.NewFileSet()
			parsed, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(parsed, func(n ast.Node) bool {
				if _, ok := n.(*ast.ImportSpec); ok {
					return false
				}
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				if statement.MatchString(text) {
					statements++
					for _, number := range bareNumbers(text) {
						t.Errorf("%s: a bare number in a statement, %q: want a word of package words", files.Position(lit.Pos()), number)
					}
				}
				return true
			})
		}
	}
	require.Greater(t, statements, 150, "statements were not recognized as such")
}

var statement = regexp.MustCompile(`\b(select|insert into|update|delete from|where|case|and|from) `)

func TestABareNumberIsFound(t *testing.T) {
	for _, text := range []string{
		"where state = 6", "where t.state in (3, 4)", "where t.kind <> 2", "set reason = 0", "where flags & 4 <> 0", "set flags = flags & ~100",
		"where part = 1", "last_outcome = 1", "last_cause = 0", "set need = -1", "where $2 in (3, 4, 5)", "where $2 = 1 and", "where $2 < 3",
		"case $2 when 2 then", "case when x then 7 else 0 end", "select 1::int2 as state", "then 10::int2",
		"insert into body (task, part, bytes) values (?, 0, ?)", "insert into sendoff.body (task, part, bytes) select id, 1, bytes",
		"select at, lane, 4, id from",
	} {
		require.NotEmpty(t, bareNumbers(text), text)
	}
	for _, text := range []string{
		"run = run + 1", "token = token + case $2 when :running then 1 else 0 end", "expires_at between 1 and $3", "flags & :flag_body = 0",
		"limit 1", "where $1 = :ready", "coalesce(t.state, 0)", "failures = 0", "lane = +?12", "select $1, $22",
	} {
		require.Empty(t, bareNumbers(text), text)
	}
}
