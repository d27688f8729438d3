// Package powerfs is a filesystem that can lose power: it keeps what programs
// wrote and did not sync apart, and a cut drops it, all or in part.
//
// A process that is killed loses nothing that it wrote, because the kernel has
// it; a database that forgets to sync passes every such test and loses data
// with the first power cut. Here the cut is real to the program: what it reads
// afterwards is what its syncs covered.
//
// A Disk holds one flat directory in memory and lives through cuts; a Mount
// shows it to programs by FUSE (Linux; root or fusermount3). The order is: cut,
// kill the program, unmount, mount again, start the program.
//
// Limits: sizes and contents of a file are synced together, there are no
// subdirectories and no symbolic links, and the contents of shared memory maps
// count as written when the kernel writes them back.
package powerfs
