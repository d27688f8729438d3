package pages

// Functions is the page of what carries tasks out besides URLs.
type Functions struct {
	Prefix string     // how their names begin
	Names  [][]string // of each of Callables
}

// Callables are the kinds of what carries tasks out: as a filter, and for people.
var Callables = [][2]string{{"function", "Durable functions"}, {"process", "Processes of workers"}, {"handler", "Go handlers"}}

// suggestedMost is how many names of a kind the server tells at a time.
const suggestedMost = 20

func (l *Functions) none() bool {
	for _, names := range l.Names {
		if len(names) > 0 {
			return false
		}
	}
	return true
}
