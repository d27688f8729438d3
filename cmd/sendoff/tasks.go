package main

import (
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/ack"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/actions"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/change"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/tail"
)

type tasksCmd struct {
	List      tasksListCmd         `cmd:"" help:"List tasks, newest first."`
	Get       tasksGetCmd          `cmd:"" help:"Show tasks with their payloads, steps and attempts."`
	Attempts  tasksAttemptsCmd     `cmd:"" help:"List the attempts of tasks."`
	Change    change.Command       `cmd:"" help:"Change a task that has not started: when, where and what."`
	Cancel    tasksCancelCmd       `cmd:"" help:"End tasks; attempts under way are stopped."`
	Bulk      actions.Bulk         `cmd:"" help:"Do something to all tasks that are selected: prints what it would be, and asks."`
	Retry     tasksRetryCmd        `cmd:"" help:"Start ended tasks anew."`
	Run       tasksRunCmd          `cmd:"" help:"Run scheduled tasks now."`
	Tree      tasksTreeCmd         `cmd:"" help:"Show a function with its steps and the calls made for it."`
	Steps     tasksStepsCmd        `cmd:"" help:"List the steps of a function."`
	Restart   tasksRestartCmd      `cmd:"" help:"Begin functions again from their inputs; their calls are canceled."`
	Signal    tasksSignalCmd       `cmd:"" help:"Send a signal to a function that has not ended."`
	Complete  ack.Complete         `cmd:"" help:"Tell that a task is done whose push was answered 202 with Sendoff-Ack: manual."`
	Fail      ack.Fail             `cmd:"" help:"Tell that such a task has failed."`
	Heartbeat ack.Heartbeat        `cmd:"" help:"Have such a task go on."`
	Progress  ack.Progress         `cmd:"" help:"Tell how far an attempt is that is under way."`
	Depends   tasksDependenciesCmd `cmd:"" name:"dependencies" help:"List what a task depends on, with what came of it."`
	Suggest   actions.Suggest      `cmd:"" help:"List values by which tasks can be selected."`
	Tail      tail.Command         `cmd:"" help:"Show what happens to tasks, as it happens."`
	Delete    tasksDeleteCmd       `cmd:"" help:"Erase tasks that are not running."`
}
