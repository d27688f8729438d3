package store

// Flag bits of a task, fixed at insert unless said otherwise.
const (
	FlagBody   int32 = 1 << 0 // the payload is in body, part 0; changes with it, see Operator.Change
	FlagKeys   int32 = 1 << 1 // has a client id or a unique key
	FlagParent int32 = 1 << 2 // its end is told to its parent
	FlagGate   int32 = 1 << 3 // has gates
	FlagDeps   int32 = 1 << 4 // others depend on it; set when they are stored, also while it runs

	FlagUndo      int32 = 1 << 5 // a function that has something to undo; settles say so, see Effects.Undo
	FlagCanceling int32 = 1 << 6 // it was canceled and runs on to undo that; see Functions.Undo

	FlagWaits int32 = 1 << 7 // has a wait row, an inbox, a journal and a state, or comes to have them: a function

	FlagOnce int32 = 1 << 8 // what has begun is never begun again

	FlagCallbacks int32 = 1 << 9 // its end is told to callbacks; goes with FlagDeps

	FlagNeed  int32 = 1 << 10 // it depends on others: has a Need
	FlagHolds int32 = 1 << 11 // it is inside of the gates that it keeps until it ends; changes as it runs
	FlagSlot  int32 = 1 << 12 // it is scheduled for a time that a rate gave it; changes as it runs

	FlagProgress int32 = 1 << 13 // how far it is has been told: in body, part 2; set while it runs

	FlagRetention int32 = 1 << 14 // its spec says how long it is kept
)

// Related are the flags of tasks whose end concerns others. They end with whoever can
// tell these, never on the way.
const Related = FlagParent | FlagWaits | FlagGate | FlagDeps

// Parts of what is kept beside the row of a task. The values are stored.
const (
	PartPayload int16 = 0
	PartState   int16 = 1 // of a function

	PartProgress int16 = 2 // see Progress
)
