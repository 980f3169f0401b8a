// Package listener is sockets, frames and request order: both halves listen with it.
package listener
