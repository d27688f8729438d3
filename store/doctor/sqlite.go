package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	diskroom "github.com/sendoff-dev/sendoff/store/internal/disk"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// heldInFile takes the lists of ids in claims apart.
const heldInFile = `select node, id from (with recursive one(node, id, rest) as (
 select node, substr(ids, 1, 16), substr(ids, 17) from claim
 union all select node, substr(rest, 1, 16), substr(rest, 17) from one where length(rest) > 0) select node, id from one)`

// openFile opens a file for reading, whoever else has it open.
func openFile(ctx context.Context, path string) (*patient, []test, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, nil, err
	}
	db, err := sqlite.OpenToRead(ctx, path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	p := &patient{db: db, path: real, held: heldInFile}
	return p, ofFile, nil
}

// ofFile are the checks of SQLite files.
var ofFile = []test{
	{"schema", func(ctx context.Context, p *patient) (finding, error) {
		return p.schema(ctx, sqlite.Migrations(), `select coalesce(max(version_id), 0) from goose_db_version where is_applied`, "start sendoff serve: it brings the file to its version")
	}},
	{"integrity", integrity},
	{"journal", func(ctx context.Context, p *patient) (finding, error) {
		return p.expect(ctx, `pragma journal_mode`, "journal_mode", "wal", Fail, "stop what else writes to the file, and start sendoff serve: it sets the mode")
	}},
	{"library", library},
	{"file-mode", modes("", "-wal", "-shm")},
	{"keys-mode", modes(".keys", ".secret")},
	{"file-names", fileNames},
	{"filesystem", filesystem},
	{"disk", disk},
	{"log-size", logSize},
	{"free-pages", freePages},
}

// integrity has SQLite look at each page.
func integrity(ctx context.Context, p *patient) (finding, error) {
	found, err := p.ask(ctx, `pragma integrity_check(1)`)
	if err == nil && found == "ok" {
		return fine("each page is whole"), nil
	}
	if err != nil {
		found = err.Error()
	}
	return finding{status: Fail, detail: found, fix: "stop the server, keep the file, and restore a backup (sendoff restore)"}, ctx.Err()
}

// oldest is the first SQLite in which two connections cannot spoil a file while they reset the log.
var oldest = [3]int{3, 51, 3}

func library(ctx context.Context, p *patient) (finding, error) {
	text, err := p.ask(ctx, `select sqlite_version()`)
	if err != nil {
		return finding{}, err
	}
	var have [3]int
	_, err = fmt.Sscanf(text, "%d.%d.%d", &have[0], &have[1], &have[2])
	if err == nil && older(have, oldest) {
		return finding{status: Fail, detail: "SQLite " + text + " can spoil files when the log is reset", fix: "use a build of sendoff with a newer one"}, nil
	}
	return fine("SQLite %s", text), err
}

func older(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// modes is a check of files that others have no business with.
func modes(suffixes ...string) func(context.Context, *patient) (finding, error) {
	return func(_ context.Context, p *patient) (finding, error) {
		var open, there []string
		for _, suffix := range suffixes {
			name := p.path + suffix
			is, err := os.Stat(name)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				return finding{}, err
			}
			there = append(there, name)
			if private(is) {
				continue
			}
			if p.repair {
				if err := os.Chmod(name, 0o600); err != nil {
					return finding{}, err
				}
			}
			open = append(open, fmt.Sprintf("%s was %04o", name, is.Mode().Perm()))
		}
		switch {
		case len(there) == 0:
			return skipped("there is none"), nil
		case len(open) == 0:
			return fine("only the owner reads it"), nil
		case p.repair:
			return finding{status: OK, detail: strings.Join(open, ", ") + ": it is 0600 now", repairable: true, repaired: true}, nil
		}
		return finding{status: Warn, detail: "others can read it: " + strings.Join(open, ", "), fix: "chmod 600, or sendoff doctor --repair", repairable: true}, nil
	}
}

// fileNames: what waits in the log belongs to one name.
func fileNames(_ context.Context, p *patient) (finding, error) {
	is, err := os.Stat(p.path)
	if err != nil {
		return finding{}, err
	}
	if n := links(is); n > 1 {
		return finding{status: Fail, detail: fmt.Sprintf("the file has %d names (hard links)", n), fix: "remove all names but one; the server does not start before"}, nil
	}
	return fine("the file has one name"), nil
}

const megabyte = 1 << 20

// filesystem: locks and the shared memory of the log need a local disk.
func filesystem(_ context.Context, p *patient) (finding, error) {
	kind, err := kindOf(p.path)
	switch {
	case err != nil:
		return finding{}, err
	case kind == "":
		return skipped("this system does not say what it is"), nil
	case network[kind]:
		return finding{status: Fail, detail: "the file is on " + kind + ", over a network", fix: "move it to a local disk, or use PostgreSQL"}, nil
	}
	return fine("%s", kind), nil
}

var network = map[string]bool{"nfs": true, "smb": true, "cifs": true, "9p": true, "ceph": true}

// disk: a file that cannot grow accepts nothing.
func disk(_ context.Context, p *patient) (finding, error) {
	free, total, err := diskroom.Room(p.path)
	switch {
	case err != nil:
		return finding{}, err
	case total == 0:
		return skipped("this system does not say it"), nil
	}
	least := cmp.Or(p.minFree, 64*megabyte)
	f := fine("%d MB of %d MB are free", free/megabyte, total/megabyte)
	switch {
	case free < least:
		f.status, f.fix = Fail, fmt.Sprintf("make room: submissions are refused while less than %d MB are free (--min-free)", least/megabyte)
	case free < 2*least || free < 1024*megabyte && free < total/10:
		f.status, f.fix = Warn, fmt.Sprintf("make room: submissions are refused when less than %d MB are free (--min-free). Tasks that have ended go after --retention", least/megabyte)
	}
	return f, nil
}

// logSize: a log that grows has a reader that does not end.
func logSize(_ context.Context, p *patient) (finding, error) {
	is, err := os.Stat(p.path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return fine("the log is empty"), nil
	}
	if err != nil {
		return finding{}, err
	}
	if is.Size() > 512*megabyte {
		return finding{status: Warn, detail: fmt.Sprintf("the log has %d MB", is.Size()/megabyte), fix: "end what reads the file for a long time, such as a sqlite3 shell or a backup"}, nil
	}
	return fine("the log has %d MB", is.Size()/megabyte), nil
}

func freePages(ctx context.Context, p *patient) (finding, error) {
	var n [3]int64
	for i, name := range []string{"freelist_count", "page_count", "page_size"} {
		text, err := p.ask(ctx, `pragma `+name)
		if err != nil {
			return finding{}, err
		}
		if n[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return finding{}, err
		}
	}
	f := fine("%d MB of %d MB are free for what comes", n[0]*n[2]/megabyte, n[1]*n[2]/megabyte)
	if n[0]*n[2] > 1024*megabyte && n[0] > n[1]/2 {
		f.status, f.fix = Warn, "a copy without them: stop the server, and restore a backup to another file"
	}
	return f, nil
}
