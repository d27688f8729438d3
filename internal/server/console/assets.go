package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

//go:embed assets
var assets embed.FS

// asset is a file that pages load.
type asset struct {
	hash string
	body []byte
}

// files are read once; their names are checked when the program starts.
var files = func() map[string]asset {
	all := map[string]asset{}
	for _, name := range []string{"app.css", "app.js", "icon.svg"} {
		body, err := assets.ReadFile("assets/" + name)
		if err != nil {
			panic(err)
		}
		if name == "app.css" {
			body = append(body, draw.Stylesheet()...)
		}
		sum := sha256.Sum256(body)
		all[name] = asset{hex.EncodeToString(sum[:6]), body}
	}
	return all
}()

// assetPath has the hash of the file in it, so that browsers can keep it for good.
func assetPath(name string) string { return "/assets/" + files[name].hash + "/" + name }

func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	a, ok := files[name]
	headers(w.Header())
	if !ok || a.hash != r.PathValue("hash") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.body)
}
