// etcd, of the version that this Kubernetes is made for: the one of Debian 12 lacks what API servers need to answer lists from memory.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
