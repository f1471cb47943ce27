// Package needlinux makes a build for another system than Linux fail with one sentence instead of one error for each file.
//
// The packages that import no other of the module, and need Linux, import it. Elsewhere nothing that imports it is compiled.
package needlinux
