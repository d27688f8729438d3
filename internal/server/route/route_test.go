package route_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
)

func TestARouteIsOpenToWhoMayUseIt(t *testing.T) {
	for name, tt := range map[string]struct {
		need  auth.Scope
		who   *auth.Principal
		want  int
		scope string
	}{
		"nobody, public":           {auth.Public, nil, 204, ""},
		"nobody, any key":          {auth.AnyKey, nil, 401, ""},
		"nobody, read":             {auth.Read, nil, 401, ""},
		"any key":                  {auth.AnyKey, &auth.Principal{}, 204, ""},
		"the scope":                {auth.Read, &auth.Principal{Scopes: auth.Read}, 204, ""},
		"another scope":            {auth.Read, &auth.Principal{Scopes: auth.Operate | auth.Payloads | auth.Enqueue}, 403, "read"},
		"admin is all":             {auth.Read | auth.Payloads, &auth.Principal{Scopes: auth.Admin}, 204, ""},
		"one of two":               {auth.Read | auth.Payloads, &auth.Principal{Scopes: auth.Read}, 403, "payloads"},
		"all is not admin":         {auth.Admin, &auth.Principal{Scopes: auth.Read | auth.Payloads | auth.Enqueue | auth.Operate}, 403, "admin"},
		"the whole server":         {auth.Read | auth.Whole, &auth.Principal{Scopes: auth.Read, Namespace: "default"}, 204, ""},
		"the whole, from a tenant": {auth.Read | auth.Whole, &auth.Principal{Scopes: auth.Admin, Namespace: "a", NamespaceID: 2}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := route.NewMux(route.Config{Refuse: func(w http.ResponseWriter, _ *http.Request, p *problem.Problem) {
				require.Equal(t, tt.scope, p.Scope)
				problem.Write(w, p)
			}})
			m.HandleFunc(tt.need, "GET /x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
			r := httptest.NewRequest("GET", "/x", nil)
			if tt.who != nil {
				r = r.WithContext(auth.With(r.Context(), tt.who))
			}
			w := httptest.NewRecorder()
			m.ServeHTTP(w, r)
			require.Equal(t, tt.want, w.Code)
		})
	}
}

func TestARouteThatSaysNothingIsNotThere(t *testing.T) {
	m := route.NewMux(route.Config{})
	require.PanicsWithValue(t, "the route GET /x declares no scope: say which it needs, or auth.Public", func() {
		m.HandleFunc(0, "GET /x", func(http.ResponseWriter, *http.Request) {})
	})
	require.Empty(t, m.Patterns())
}
