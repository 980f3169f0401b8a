// Package filesystem keeps a bucket in a local folder: file:///path. A key is a path below the root; several processes
// of one machine may share a folder.
//
// Crash safety. An object is written to a temp file, its bytes are synced, the file is moved to its name with a rename
// that never replaces, and the folder that holds the name is synced; only then does PutIfAbsent return nil. So a name
// never stands for bytes that a power cut can still take, and an answer never stands for a name that it can take. A
// folder is used only after its own name is synced in its parent, whoever made it; the rename goes to the open folder,
// not to its path, so that a folder which was removed and made again in between cannot be mistaken for it. What a crash
// leaves behind is temp files, in a folder that belongs to one process and is locked while that process lives; the next
// Open removes those whose lock is free.
//
// # Contract
//   - Order: List is in byte order of the whole key, which is not the order in which folders are walked.
//   - Bytes: bodies go to the kernel in vectored writes, without a copy of ours, and ranges are read straight into dst.
//     On Linux bodies of 32 KiB and more and ranges of 256 KiB and more pass the page cache by where the disk can do that.
//     Bodies go by way of at most 8 staging buffers of 1 MiB, but for what lies in whole blocks already; one below 256 KiB
//     does not wait for a buffer. Ranges go without a copy if dst is aligned to 4096 bytes and the offset is, too, and
//     through the page cache if dst is not.
//   - Concurrency: safe for many callers and processes. At most 8 large bodies are written at once. Syncs of one folder
//     that are asked for while one runs are done as one. No disk wait under a lock.
//   - Failure: a full disk is ErrFull. A ctx is looked at between steps; a system call that hangs in the kernel cannot
//     be left, because the body must not be read after the return. A key and a folder of the same name exclude each
//     other ("a" and "a/b"), unlike on S3.
package filesystem
