package main

import (
	"strconv"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type tasksCmd struct {
	List     tasksListCmd     `cmd:"" help:"List tasks, newest first."`
	Get      tasksGetCmd      `cmd:"" help:"Show tasks with their payloads, steps and attempts."`
	Attempts tasksAttemptsCmd `cmd:"" help:"List the attempts of tasks."`
	Cancel   tasksCancelCmd   `cmd:"" help:"End tasks; attempts under way are stopped."`
	Retry    tasksRetryCmd    `cmd:"" help:"Start ended tasks anew."`
	Run      tasksRunCmd      `cmd:"" help:"Run scheduled tasks now."`
	Tree     tasksTreeCmd     `cmd:"" help:"Show a function with its steps and the calls made for it."`
	Steps    tasksStepsCmd    `cmd:"" help:"List the steps of a function."`
	Restart  tasksRestartCmd  `cmd:"" help:"Begin functions again from their inputs; their calls are canceled."`
	Signal   tasksSignalCmd   `cmd:"" help:"Send a signal to a function that has not ended."`
	Delete   tasksDeleteCmd   `cmd:"" help:"Erase tasks that are not running."`
}

// someTasks are the arguments of commands that take ids.
type someTasks struct {
	remote
	IDs []string `arg:"" name:"id" help:"Ids of tasks."`
}

// printTasks prints tasks as one table.
func printTasks(t *term.Terminal, tasks []*sendoff.Task) {
	rows := make([][]string, len(tasks))
	for i, task := range tasks {
		rows[i] = []string{
			task.ID, task.State, task.Reason, task.Queue, term.OneLine(task.Name, 24),
			attemptsOfTask(task), term.Ago(task.CreatedAt), term.OneLine(targetText(task), 50),
		}
	}
	t.Table([]string{"ID", "STATE", "REASON", "QUEUE", "NAME", "ATTEMPTS", "AGE", "TARGET"}, rows)
}

// targetText is what a task calls.
func targetText(task *sendoff.Task) string {
	switch {
	case task.Function != "":
		return "function " + task.Function + " at " + task.Endpoint
	case task.Handler != "":
		return "handler " + task.Handler
	}
	return task.URL
}

// attemptsOfTask is how many attempts were made, of how many.
func attemptsOfTask(task *sendoff.Task) string {
	if task.MaxAttempts == 0 {
		return strconv.Itoa(task.Attempts)
	}
	return strconv.Itoa(task.Attempts) + "/" + strconv.Itoa(task.MaxAttempts)
}
