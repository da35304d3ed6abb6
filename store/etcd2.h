/* store/etcd2.h - etcd's v2 API: HTTP and JSON, one request after the other. */
#ifndef FL_STORE_ETCD2_H
#define FL_STORE_ETCD2_H

#include "store/etcd.h"

extern const struct fl_etcd_api fl_etcd2_api;

#endif
