package term

import "github.com/sendoff-dev/sendoff"

// Health prints what was found of something: the checks that found what should not be so, or
// all of them.
func (t *Terminal) Health(of string, h *sendoff.Health, all bool) {
	var rows [][]string
	for i := range h.Checks {
		c := &h.Checks[i]
		quiet := c.Status == sendoff.HealthOK || c.Status == sendoff.HealthSkip
		if quiet && !c.Repaired && !all {
			continue
		}
		rows = append(rows, []string{string(c.Status), c.Name, Clean(c.Detail), Clean(c.Fix)})
	}
	if len(rows) > 0 {
		t.Table([]string{"STATUS", "CHECK", "FOUND", "WHAT TO DO"}, rows)
		t.Printf("\n")
	}
	t.Printf("%s: %d ok, %d to know of, %d failed, %d left out\n", of, h.Summary.OK, h.Summary.Warn, h.Summary.Fail, h.Summary.Skip)
}
