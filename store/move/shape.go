package move

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// table is one of both databases.
type table struct {
	name    string
	columns []column
}

// renamed are columns that PostgreSQL has under another name.
var renamed = map[string]string{"inbox.sender": "from", "journal.at": "offset"}

// errShape says that the databases do not have the same tables, which is a fault of the program.
var errShape = errors.New("the databases have different tables")

// shared are the tables that are carried over, by name, with what both databases say of their columns.
func shared(ctx context.Context, a, b end) ([]table, error) {
	lite, err := a.shape(ctx)
	if err != nil {
		return nil, err
	}
	heavy, err := b.shape(ctx)
	if err != nil {
		return nil, err
	}
	if _, is := a.(*server); is {
		lite, heavy = heavy, lite
	}
	for name := range leftOut {
		delete(lite, name)
		delete(heavy, name)
	}
	maps.DeleteFunc(lite, func(name string, _ []field) bool { return strings.HasPrefix(name, "_litestream_") }) // its own, in the file it copies
	if one, other := slices.Sorted(maps.Keys(lite)), slices.Sorted(maps.Keys(heavy)); !slices.Equal(one, other) {
		return nil, fmt.Errorf("%w: %v and %v", errShape, one, other)
	}
	var out []table
	for _, name := range slices.Sorted(maps.Keys(lite)) {
		columns, err := paired(name, lite[name], heavy[name])
		if err != nil {
			return nil, err
		}
		out = append(out, table{name, columns})
	}
	return out, nil
}

// paired are the columns of a table.
func paired(table string, lite, heavy []field) ([]column, error) {
	if len(lite) != len(heavy) {
		return nil, fmt.Errorf("%w: %s has %d columns and %d", errShape, table, len(lite), len(heavy))
	}
	var out []column
	for _, l := range lite {
		c := column{lite: l.name, heavy: l.name, kind: strings.ToLower(l.of)}
		if other, is := renamed[table+"."+l.name]; is {
			c.heavy = other
		}
		i := slices.IndexFunc(heavy, func(h field) bool { return h.name == c.heavy })
		if i < 0 {
			return nil, fmt.Errorf("%w: %s has no column %s in PostgreSQL", errShape, table, c.heavy)
		}
		c.of, c.optional, c.none = heavy[i].of, l.null && heavy[i].null, l.null && !heavy[i].null
		out = append(out, c)
	}
	return out, nil
}
