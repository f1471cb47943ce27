// Package supports reports what the running kernel and the library support: options, protocols, flags, requests, features.
// OTP: socket:supports/0,1,2 and socket:is_supported/1,2,3.
package supports
