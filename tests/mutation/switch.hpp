// What tests/mutation writes into a mutated source: every mutant is compiled in, one is switched on as the program runs.
// A part of a constant expression keeps its value, and is then never `reached`.
#pragma once

#include <type_traits>

namespace mutation {

inline constexpr int most = 8192;
extern "C" {
extern int mutation_active;  // the mutant's number; 0: none
extern unsigned char mutation_reached[most];
extern unsigned char mutation_invalid[most];  // the mutant would not compile: no such operator
}

template <int I>
constexpr bool on() {
    if (std::is_constant_evaluated()) return false;
    mutation_reached[I] = 1;
    return mutation_active == I;
}

template <int I, class T>
constexpr bool flip(const T& condition) {
    return static_cast<bool>(condition) != on<I>();
}

template <int I, int Step, class T>
constexpr T number(T literal) {
    return on<I>() ? static_cast<T>(literal + static_cast<T>(Step)) : literal;
}

// `a OP b` is written `a OP Instead<I, OP, ANOTHER>{} OP b`: precedence and order are the compiler's affair.
template <int I, class As, class Other>
struct Instead {};
template <class Left, int I, class As, class Other>
struct Half {
    const Left& left;
};

#define MUTATION_BINARY(Name, op)                                                                      \
    struct Name {                                                                                      \
        template <class A, class B>                                                                    \
        static constexpr auto of(const A& a, const B& b) -> decltype(a op b) {                         \
            return a op b;                                                                             \
        }                                                                                              \
    };                                                                                                 \
    template <class Left, int I, class Other>                                                          \
    constexpr Half<Left, I, Name, Other> operator op(const Left& left, Instead<I, Name, Other>) {      \
        return {left};                                                                                 \
    }                                                                                                  \
    template <class Left, int I, class Other, class Right>                                             \
    constexpr auto operator op(Half<Left, I, Name, Other> half, const Right& right) {                  \
        using Result = std::decay_t<decltype(half.left op right)>;                                     \
        if (on<I>()) {                                                                                 \
            if constexpr (requires { static_cast<Result>(Other::of(half.left, right)); })              \
                return static_cast<Result>(Other::of(half.left, right));                               \
            else                                                                                       \
                mutation_invalid[I] = 1;                                                               \
        }                                                                                              \
        return static_cast<Result>(half.left op right);                                                \
    }
MUTATION_BINARY(Less, <)
MUTATION_BINARY(LessEqual, <=)
MUTATION_BINARY(Greater, >)
MUTATION_BINARY(GreaterEqual, >=)
MUTATION_BINARY(Equal, ==)
MUTATION_BINARY(Unequal, !=)
MUTATION_BINARY(Plus, +)
MUTATION_BINARY(Minus, -)
MUTATION_BINARY(Times, *)
MUTATION_BINARY(Over, /)
MUTATION_BINARY(Modulo, %)
MUTATION_BINARY(LeftShift, <<)
MUTATION_BINARY(RightShift, >>)
MUTATION_BINARY(BitAnd, &)
MUTATION_BINARY(BitOr, |)
MUTATION_BINARY(BitXor, ^)
#undef MUTATION_BINARY

// `!a` is written `Bang<I>{} % a`.
template <int I>
struct Bang {};
template <int I, class T>
constexpr bool operator%(Bang<I>, const T& value) {
    return static_cast<bool>(value) == on<I>();
}

// `a += b` is written `into<I>(a) += b`.
template <int I, class T>
struct Into {
    T& target;
#define MUTATION_ASSIGN(op, other)                              \
    template <class R>                                          \
    constexpr void operator op(const R& value) {                \
        if (on<I>()) {                                          \
            if constexpr (requires { target other value; }) {   \
                target other value;                             \
                return;                                         \
            } else {                                            \
                mutation_invalid[I] = 1;                        \
            }                                                   \
        }                                                       \
        target op value;                                        \
    }
    MUTATION_ASSIGN(+=, -=)
    MUTATION_ASSIGN(-=, +=)
    MUTATION_ASSIGN(|=, &=)
    MUTATION_ASSIGN(&=, |=)
    MUTATION_ASSIGN(^=, |=)
    MUTATION_ASSIGN(<<=, >>=)
    MUTATION_ASSIGN(>>=, <<=)
#undef MUTATION_ASSIGN
    constexpr void operator++() { on<I>() ? --target : ++target; }
    constexpr void operator--() { on<I>() ? ++target : --target; }
};
template <int I, class T>
constexpr Into<I, T> into(T& target) {
    return {target};
}

}  // namespace mutation
