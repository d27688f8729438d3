// Package spelling tells how far a word is from the one that was probably meant. It
// knows words, and nothing of ours.
package spelling

// Distance is how many letters have to be changed, added or left out to make one word of
// the other (Levenshtein). Letters are bytes.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for k := range len(b) {
			change := corner
			if a[i] != b[k] {
				change++
			}
			corner = row[k+1]
			row[k+1] = min(change, row[k]+1, corner+1)
		}
	}
	return row[len(b)]
}
