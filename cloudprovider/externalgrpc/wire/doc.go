// Package wire is what cluster-autoscaler and its external cloud provider say
// to each other, as bytes.
//
// The file is our own description of a protocol that others defined: names are
// free, numbers and types are not. Three generations of clients are in use, and
// one description serves them all, because an embedded message and a string of
// bytes look the same on the wire:
//
//	what                up to 1.33        1.34            from 1.35
//	a Node, a Pod       inlined message   both            bytes
//	a duration          {int64 nanos}     both            google.protobuf.Duration
//
// Where the oldest clients expect an inlined Kubernetes message we declare
// bytes, and send the same bytes in the field of the newer ones too.
//
// expander.proto is the protocol of the same client's external expander, under
// the name that it has there.
//
// doc.go and the .proto are written by hand, the rest is made by make generate.
package wire
