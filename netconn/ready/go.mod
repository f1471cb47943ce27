// A module of its own, so that the library does not depend on gRPC.
module github.com/esock-go/esock/netconn/ready

go 1.26.0

replace github.com/esock-go/esock => ../..

require (
	github.com/esock-go/esock v0.1.0
	github.com/stretchr/testify v1.12.1
	google.golang.org/grpc v1.85.0
)

require (
	github.com/mattn/go-pointer v0.0.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
