package auditor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// withOffered returns what is to be judged as acknowledged: also the tasks of a
// batch whose answer never came, when the batch was stored.
func (h *History) withOffered() map[string]string {
	acknowledged := maps.Clone(h.Acknowledged)
	if acknowledged == nil {
		acknowledged = map[string]string{}
	}
	ids := map[string]string{}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(h.Names))) {
		ids[h.Names[id]] = id
	}
	for _, batch := range h.Batches {
		for _, key := range batch {
			if id, exists := ids[key]; exists && acknowledged[key] == "" {
				acknowledged[key] = id
			}
		}
	}
	return acknowledged
}

// torn finds batches of which some tasks exist and others do not.
func (r *Report) torn(h History) {
	exists := map[string]bool{}
	for _, key := range h.Names {
		exists[key] = true
	}
	for _, batch := range h.Batches {
		n := 0
		for _, key := range batch {
			if exists[key] {
				n++
			}
		}
		if n > 0 && n < len(batch) {
			r.Torn = append(r.Torn, fmt.Sprintf("torn: %d of the %d tasks of the batch of %s exist", n, len(batch), batch[0]))
		}
	}
}

// keys judges what submissions were answered with: one that was sent again with
// the task it had made, and two only then with the same task when they asked for
// it by their unique key.
func (r *Report) keys(h History) {
	for _, key := range slices.Sorted(maps.Keys(h.Again)) {
		if first, again := h.Acknowledged[key], h.Again[key]; first != again {
			r.Keys = append(r.Keys, fmt.Sprintf("key: %s was answered with %s, and with %s when it was sent again", key, first, again))
		}
	}
	by := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(h.Acknowledged)) {
		id := h.Acknowledged[key]
		if other, taken := by[id]; taken && (h.Unique[key] == "" || h.Unique[key] != h.Unique[other]) {
			r.Keys = append(r.Keys, fmt.Sprintf("key: %s and %s were both answered with %s", other, key, id))
		}
		by[id] = key
	}
}

// unique finds tasks that were delivered while another one with their unique key
// had not ended.
func (r *Report) unique(h History, byTask map[string][]*Delivery) {
	ids := map[string][]string{}
	for key, unique := range h.Unique {
		if id := h.Acknowledged[key]; len(byTask[id]) > 0 && !slices.Contains(ids[unique], id) {
			ids[unique] = append(ids[unique], id)
		}
	}
	for _, unique := range slices.Sorted(maps.Keys(ids)) {
		tasks := ids[unique]
		slices.SortFunc(tasks, func(a, b string) int {
			return cmp.Or(byTask[a][0].At.Compare(byTask[b][0].At), cmp.Compare(a, b))
		})
		for i := 1; i < len(tasks); i++ {
			began := byTask[tasks[i]][0].At
			if slices.ContainsFunc(byTask[tasks[i-1]], func(d *Delivery) bool {
				return (d.At.After(began) || d.Answered.After(began)) && !h.posthumous(d)
			}) {
				r.Keys = append(r.Keys, fmt.Sprintf("key: %s was delivered before %s had ended, and both have the unique key %s", tasks[i], tasks[i-1], unique))
			}
		}
	}
}
