internal import CKernels

/// Has large blocks of memory mapped one by one, so that the system has them back once they are
/// freed. To be called before threads are started.
///
/// glibc does so too, but only until the first of them is freed: from then on it keeps blocks of
/// that size, in holes that what comes next does not fit into. Elsewhere this does nothing.
public func mapLargeBlocks(ofAtLeast byteCount: Int) { ckernels_map_blocks(Int32(byteCount)) }
