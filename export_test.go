package esock

// What tests of package esock_test see.
var CmsgTypeNames = cmsgTypeNames
