package push_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/push"
)

func ExampleVerifier() {
	v := &push.Verifier{KeysURL: "http://127.0.0.1:4450"}
	hook := push.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		fmt.Println("task", push.TaskOf(r).ID)
		return nil // done
	})
	http.Handle("POST /hook", v.Middleware(hook))
}

func ExampleHandlerFunc() {
	welcome := push.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		var args struct{ Email string }
		if err := json.NewDecoder(r.Body).Decode(&args); err != nil || args.Email == "" {
			return push.Permanent(errors.New(`want {"email": ...}`)) // never again
		}
		if strings.HasSuffix(args.Email, "@busy.example") {
			return push.Snooze(30 * time.Second) // in 30 s, no attempt spent
		}
		return nil // done
	})
	for _, body := range []string{`{"email":"ada@example.com"}`, `{"email":"eve@busy.example"}`, `{}`} {
		w := httptest.NewRecorder()
		welcome.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/welcome", strings.NewReader(body)))
		fmt.Printf("%d, Retry-After %q, Sendoff-Retry %q\n", w.Code, w.Header().Get("Retry-After"), w.Header().Get(push.HeaderRetry))
	}
	// Output:
	// 204, Retry-After "", Sendoff-Retry ""
	// 503, Retry-After "30", Sendoff-Retry "yes"
	// 422, Retry-After "", Sendoff-Retry "no"
}

func ExampleTaskOf() {
	hook := push.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		if t := push.TaskOf(r); t.Final {
			fmt.Printf("%s: attempt %d of %d is the last\n", t.ID, t.Attempt, t.MaxAttempts)
		}
		return nil
	})
	r := httptest.NewRequest(http.MethodPost, "/hook", nil)
	r.Header.Set(push.HeaderTaskID, "order-7")
	r.Header.Set(push.HeaderAttempt, "3")
	r.Header.Set(push.HeaderMaxAttempts, "3")
	r.Header.Set(push.HeaderFinalAttempt, "?1")
	hook.ServeHTTP(httptest.NewRecorder(), r)
	// Output: order-7: attempt 3 of 3 is the last
}
