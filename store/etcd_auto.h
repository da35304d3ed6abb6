/* store/etcd_auto.h - whichever API of etcd holds the network config; v3 if both do. */
#ifndef FL_STORE_ETCD_AUTO_H
#define FL_STORE_ETCD_AUTO_H

#include "store/etcd.h"

extern const struct fl_etcd_api fl_etcd_auto_api;

#endif
