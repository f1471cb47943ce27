package esock

// What tests of package esock_test see.
var CmsgTypeNames = cmsgTypeNames

// unseen reports whether a message about the handle waits in its mailbox.
func (h *Handle) unseen() bool { return h != nil && h.mb != nil && h.mb.unseen(h) }
