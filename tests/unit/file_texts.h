/* tests/unit/file_texts.h - pieces of a file with a network config and leases. */
#ifndef TEST_FILE_TEXTS_H
#define TEST_FILE_TEXTS_H

#define CONFIG		"\"Network\":\"10.5.0.0/16\",\"Backend\":{\"Type\":\"vxlan\"}"
#define OURS		"{\"Subnet\":\"10.5.1.0/24\",\"PublicIP\":\"192.168.0.1\"}"
#define SECOND		"{\"Subnet\":\"10.5.2.0/24\",\"PublicIP\":\"192.168.0.2\"}"
#define THIRD		"{\"Subnet\":\"10.5.3.0/24\",\"PublicIP\":\"192.168.0.3\"}"
#define FILE_OF(leases) "{" CONFIG ",\"Leases\":[" leases "]}"

#endif
