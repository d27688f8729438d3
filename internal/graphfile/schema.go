package graphfile

import _ "embed"

//go:embed schema.json
var schema string

// Schema is the JSON Schema of the files, as docs and editors have it.
func Schema() string { return schema }
