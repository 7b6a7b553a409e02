#include "services/frames/frames.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A field's table entry needs the name of its struct, which the field macros of FRAME_LIST do not
 * know. So they become tuples ", (type, member, max)", and EACH_ walks the tuples of one frame with
 * the struct's name in hand: the usual recursion by EXPAND_, good for 64 fields and more. */
#define TUPLE_BOOL_(m) , (FIELD_BOOL, m, 0)
#define TUPLE_U32_(m) , (FIELD_U32, m, 0)
#define TUPLE_U64_(m) , (FIELD_U64, m, 0)
#define TUPLE_I64_(m) , (FIELD_I64, m, 0)
#define TUPLE_STR_(m, max) , (FIELD_STR, m, max)

#define EXPAND_(...) EXPAND_4_(EXPAND_4_(EXPAND_4_(EXPAND_4_(__VA_ARGS__))))
#define EXPAND_4_(...) EXPAND_3_(EXPAND_3_(EXPAND_3_(EXPAND_3_(__VA_ARGS__))))
#define EXPAND_3_(...) EXPAND_2_(EXPAND_2_(EXPAND_2_(EXPAND_2_(__VA_ARGS__))))
#define EXPAND_2_(...) __VA_ARGS__
#define PARENS_ ()
#define ENTRY_(name_, type, m, max) { #m, type, offsetof(struct frame_##name_, m), max },
#define CALL_(macro, ...) macro(__VA_ARGS__)
#define UNWRAP_(...) __VA_ARGS__
#define EACH_(name_, tuple, ...) \
	CALL_(ENTRY_, name_, UNWRAP_ tuple) __VA_OPT__(EACH_AGAIN_ PARENS_(name_, __VA_ARGS__))
#define EACH_AGAIN_() EACH_
#define FIELDS_(name_, nothing, ...) EXPAND_(EACH_(name_, __VA_ARGS__))

#define DEFINE_(NAME, name_, fds, ...) \
	static const struct frame_field fields_##name_[] = { FIELDS_(name_, __VA_ARGS__) }; \
	const struct frame_def frame_def_##name_ = { \
		#name_, \
		FRAME_##NAME, \
		fds, \
		sizeof(struct frame_##name_), \
		fields_##name_, \
		COUNT(fields_##name_), \
	};
FRAME_LIST(DEFINE_, TUPLE_BOOL_, TUPLE_U32_, TUPLE_U64_, TUPLE_I64_, TUPLE_STR_)

#define BY_TYPE_(NAME, name_, fds, ...) [FRAME_##NAME] = &frame_def_##name_,
static const struct frame_def *const by_type[FRAME_TYPE_COUNT] = { FRAME_LIST(BY_TYPE_,
    FRAME_IGNORE_1_, FRAME_IGNORE_1_, FRAME_IGNORE_1_, FRAME_IGNORE_1_, FRAME_IGNORE_2_) };

const struct frame_def *frame_def_of(uint16_t type)
{
	return type < FRAME_TYPE_COUNT ? by_type[type] : NULL;
}
