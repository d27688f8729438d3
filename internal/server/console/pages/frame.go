package pages

import "strings"

// terms are examples of what the box for filters takes.
var terms = [][2]string{
	{"state:failed,canceled", "tasks of any of these states"},
	{"queue:mail", "of a queue; -queue:mail is all others"},
	{"name:send_mail", "of a name"},
	{"kind:http", "http, function, process, local or job"},
	{"function:order", "calls of a function; also process:, handler:, endpoint:"},
	{"target_host:api.example.com", "pushed to a host"},
	{"last_status:5xx", "whose last answer was so; code:timeout for no answer"},
	{"reason:exhausted", "that ended for a reason"},
	{"label.customer:7", "that have a label"},
	{`error:"timed out"`, "whose last error has this text"},
	{"min_attempts:3", "tried three times or more"},
	{"created_after:2026-11-01T00:00:00Z", "also created_before, started_*, finished_*"},
}

// keys are those that the script listens to.
var keys = [][2]string{
	{"/", "to the box for filters"},
	{"g o", "overview; g t tasks, g f failures, g g graphs, g q queues, g s schedules, g l limits, g e endpoints, g n nodes, g a actions"},
	{"j k", "next and previous row"},
	{"Enter", "open the row"},
	{"x", "tick the row"},
	{"l", "live on and off"},
	{"?", "this page"},
}

// current marks the part of the console that a page belongs to.
func current(at, path string) string {
	if at == path || path != "/" && strings.HasPrefix(at, path+"/") {
		return "page"
	}
	return "false"
}

// offWord says in the page that something is off.
func offWord(off bool) string {
	if off {
		return "off"
	}
	return ""
}

// live says how often a page is asked for again, in seconds; "" = never.
func (f *Frame) live() string {
	switch path := f.Path; {
	case f.Still:
		return ""
	case path == "/help" || path == "/health" || path == "/settings" || path == "/keys" || path == "/login" || path == "/actions/new" || path == "/tasks/new" || strings.HasSuffix(path, "/change"):
		return ""
	case strings.HasPrefix(path, "/tasks/") || strings.HasPrefix(path, "/actions/") || strings.HasPrefix(path, "/graph-runs/"):
		return "2"
	}
	return "5"
}
