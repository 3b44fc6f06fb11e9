// A server of Temporal that keeps everything in memory: `temporal PORT`. It has the namespace "default".
package main

import (
	"context"
	"io"
	"net"
	"os"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/temporaltest"
	"google.golang.org/protobuf/types/known/durationpb"
)

func main() {
	address := temporaltest.NewServer().GetFrontendHostPort()
	namespaces, err := client.NewNamespaceClient(client.Options{HostPort: address})
	must(err)
	must(namespaces.Register(context.Background(), &workflowservice.RegisterNamespaceRequest{
		Namespace:                        "default",
		WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	must(err)
	for {
		near, err := listener.Accept()
		must(err)
		far, err := net.Dial("tcp", address) // it has chosen its port itself
		must(err)
		go io.Copy(far, near)
		go io.Copy(near, far)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
