/* store/etcd3.h - etcd's v3 API over its JSON gateway: one request is one exchange, or a few. */
#ifndef FL_STORE_ETCD3_H
#define FL_STORE_ETCD3_H

#include "store/etcd.h"

extern const struct fl_etcd_api fl_etcd3_api;

#endif
