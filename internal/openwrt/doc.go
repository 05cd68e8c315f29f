// Package openwrt tries what the folder deploy/openwrt has for OpenWrt: its scripts, in
// the shell that OpenWrt has, and its packages. It has tests alone. How a router boots
// with them is for tunic/internal/machines.
package openwrt
