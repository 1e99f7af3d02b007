// SPDX-License-Identifier: Apache-2.0
/*
 * transmit-checksums on|off
 *
 * Whether the devices of this network namespace say that they make checksums of what they send. If
 * they do not, the kernel makes them before. Those that cannot be told are left as they are.
 * Started by packet-checksums.test.ts.
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct ethtool_value wish = {.cmd = ETHTOOL_STXCSUM};
	struct if_nameindex *devices = if_nameindex();
	int file = socket(AF_INET, SOCK_DGRAM, 0), told = 0;

	if (argc != 2 || !devices || file < 0)
		return 2;
	wish.data = strcmp(argv[1], "on") == 0;
	for (struct if_nameindex *device = devices; device->if_index; device++) {
		struct ifreq request = {.ifr_data = (void *)&wish};

		strncpy(request.ifr_name, device->if_name, IFNAMSIZ - 1);
		told += ioctl(file, SIOCETHTOOL, &request) == 0;
	}
	printf("%d\n", told);
	return told == 0;
}
