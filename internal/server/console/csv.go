package console

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
)

// csvColumns are those of a list of tasks for a spreadsheet.
var csvColumns = []string{
	"id", "state", "reason", "kind", "queue", "name", "target", "priority", "attempts", "created_at", "next_at", "started_at", "finished_at", "last_status", "last_error", "labels",
}

// csv is a page of tasks as a file for a spreadsheet: the same tasks as on the page of that
// query. With more of them Link leads to the next file.
func (d *door) csv(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	q.Del("did")
	var page pages.TaskItems
	if err := d.get(r.Context(), "/v1/tasks", q, &page); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="tasks.csv"`)
	if page.Next != "" {
		q.Set("cursor", page.Next)
		w.Header().Set("Link", "<"+d.cfg.Base+(&url.URL{Path: "/tasks.csv", RawQuery: q.Encode()}).String()+`>; rel="next"`)
	}
	out := csv.NewWriter(w)
	_ = out.Write(csvColumns) // what cannot be sent, Error says
	for i := range page.Items {
		_ = out.Write(csvRow(&page.Items[i]))
	}
	out.Flush()
	return out.Error()
}

func csvRow(t *sendoff.Task) []string {
	row := []string{
		t.ID, string(t.State), t.Reason, t.Kind, t.Queue, t.Name, pages.TargetOf(t), strconv.Itoa(t.Priority), strconv.Itoa(t.Attempts),
		csvTime(t.CreatedAt), csvTime(t.NextAt), csvTime(t.StartedAt), csvTime(t.FinishedAt), csvNumber(t.LastStatus), t.LastError, pages.Lines(t.Labels, "="),
	}
	for i := range row {
		row[i] = plain(row[i])
	}
	return row
}

// plain is a text that spreadsheets take for one, and not for a formula.
func plain(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func csvTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func csvNumber(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
