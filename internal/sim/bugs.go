package sim

// Bug is a planted one.
type Bug string
