// Package sendoff is what an app that works with a Sendoff server needs.
//
// A [Client] hands tasks over, waits for them, and does what a person does:
//
//	c, err := sendoff.NewClient(sendoff.ClientConfig{}) // SENDOFF_URL, or http://127.0.0.1:4450
//	t, err := c.Submit(ctx, sendoff.NewTask{URL: "https://app.example.com/welcome", Payload: args})
//	t, err = c.Wait(ctx, t.ID)
//	t, err = c.Tasks.Retry(ctx, t.ID)
//
// Package push is for the app at that URL.
//
// # Durable functions
//
// [Func] makes a function that survives its process. What it asked for and what
// came of that is on record; when the process ends, the function goes on where
// it was, here or elsewhere, and nothing that is on record is done again:
//
//	var order = sendoff.Func("order", func(ctx context.Context, o Order) (Receipt, error) {
//		quotes, err := quote.Gather(ctx, o.Lines)      // calls of another function
//		...
//		id, err := sendoff.Step(ctx, "reserve", o.reserve) // done here, recorded
//		...
//		return receipt, sendoff.Sleep(ctx, 24*time.Hour)
//	})
//
//	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{}, order, quote)
//	err = endpoint.ListenAndServe(ctx)
//
// To get back to where it was, a function is run again over its journal. So its
// code decides only by what it got from operations of this package: [Step] for
// all that touches the world, [Now], [Rand] and [NewID] in place of the clock and
// of chance, [Go] in place of the go statement, [Sleep] and [WithTimeout] for
// time. Deferred functions also run when a suspended function leaves memory;
// operations in them do nothing then. Package sendofftest finds what is
// forgotten.
//
// An [Endpoint] works with every server of the protocol of Dispatch. A Sendoff
// server keeps the journal itself, so that long functions cost no more for each
// step than short ones, and has signals, promises and priorities.
//
// The package imports neither the engine nor a store, so that an app links none
// of the server.
package sendoff
