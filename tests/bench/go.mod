// A module of its own, so that the library does not depend on what its benchmarks compare it with.
module github.com/esock-go/esock/tests/bench

go 1.26.0

replace github.com/esock-go/esock => ../..

require (
	github.com/esock-go/esock v0.0.0
	github.com/stretchr/testify v1.12.1
	github.com/valyala/fasthttp v1.73.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/andybalholm/brotli v1.2.2 // indirect
	github.com/klauspost/compress v1.19.1 // indirect
	github.com/mattn/go-pointer v0.0.1 // indirect
	github.com/valyala/bytebufferpool v1.0.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
