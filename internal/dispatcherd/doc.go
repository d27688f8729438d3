// Package dispatcherd is the service that Ansible's dispatcherd is: messages come in over
// PostgreSQL NOTIFY and a unix socket, tasks are run by a pool of processes, and control
// messages are answered. Publishers, task code, configuration files and dispatcherctl of
// release 2026.5.27 work with it as they are.
//
// A [Service] knows what is delayed, held back, in line and running: in memory, or as what a
// [Recorder] has on record and gives it to run. Its brokers hand it
// messages, and send what it answers; package pgnotify below this one is the one for
// PostgreSQL, apart so that nobody else links its driver.
//
// What this package must not know: stores, queues, and tasks other than those of messages.
package dispatcherd
