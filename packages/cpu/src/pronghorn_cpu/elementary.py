"""The elementary functions as expression programs: polynomial, IEEE operations only, the same bits at any
vector width.

A program is assignments in the language of the elementwise table, ending in `result`. Beyond the table's
functions it may call `poly(x, TABLE)` (Horner's rule in fused multiply-adds), `bits`/`real` (a float as an
integer and back), `copysign`, `widen`/`narrow` (between float32 and float64) and `libm_sin`/`libm_cos` (the C
library, only where a lane needs it). Names in capitals are constants of the dtype. Polynomials are
near-minimax fits on the reduced interval. In `MAGIC + x` the rounded integer x stands in the low bits:
rounding, conversion and `2^n` without any integer conversion that NaN could poison. The compensated forms
follow Muller et al., "Handbook of Floating-Point Arithmetic", and Cody and Waite, "Software Manual for the
Elementary Functions".
"""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass

Constants = dict[str, float | tuple[float, ...]]


@dataclass(frozen=True)
class Program:
    """`statements` compute `result` from `parameters`; `constants` by dtype."""

    parameters: tuple[str, ...]
    statements: tuple[tuple[str, ast.expr], ...]
    constants: dict[str, Constants]


FLOAT32: Constants = {
    "INFINITY": float("inf"),
    "NAN": float("nan"),
    "MANTISSA": 23,
    "MANTISSA_MASK": 0x7FFFFF,
    "BIAS": 127,
    "MAGIC": 1.5 * 2.0**23,
    "SMALLEST_NORMAL": 2.0**-126,
    "SUBNORMAL_SCALE": 2.0**24,
    "SUBNORMAL_SHIFT": 24.0,
    "SQRT_HALF": 0.70710677,
    "LOG2E": 1.4426950408889634,
    "LN2": 0.6931471805599453,
    "LN2_HIGH": 0.6931471824645996,
    "LN2_LOW": -1.9046542121259336e-09,
    "EXP_HIGHEST": 89.0,
    "EXP_LOWEST": -105.0,
    "EXP_NORMAL": -87.3,
    "EXPM1_LOWEST": -20.0,
    "EXP": (0.5, 0.16666576666119928, 0.04166655421298415, 0.008363232883682618, 0.0013926250831497611),
    "LOG": (0.666666665519636, 0.40000123906130036, 0.2855058703764105, 0.23336811005171268),
    "LARGE": 2.0**14,
    "TANH_HIGHEST": 10.0,
    "ERF_HIGHEST": 4.0,
    "ERF_NEAR": (
        0.12837916584835093, -0.37612626666720334, 0.11283594715160218, -0.026854212010626412,
        0.005189087423433974, -0.000801686428716587, 7.875875062685488e-05,
    ),
    "ERF_TAIL": (
        0.9963767528533936, 0.15972456336021423, 0.04840804636478424, 0.07481630891561508, -0.033711329102516174,
        0.01800272800028324, -0.004052956588566303, 0.000547964358702302,
    ),
    "TWO_OVER_PI": 0.6366197723675814,
    "HALF_PI_1": 1.5707963705062866,
    "HALF_PI_2": -4.371138828673793e-08,
    "HALF_PI_3": -1.7151245100058819e-15,
    "REDUCIBLE": 1e5,
    "SIN": (-0.16666664661114838, 0.008332748037517147, -0.00019587840521305324),
    "COS": (0.04166666465830042, -0.0013888302802309161, 2.454789161981386e-05),
    "QUARTER_PI_1": 0.7853981852531433,
    "QUARTER_PI_2": -2.1855694143368964e-08,
    "PI_1": 3.1415927410125732,
    "PI_2": -8.742277657347586e-08,
    "TAN_EIGHTH_PI": 0.41421356237309503,
    "TAN_THREE_EIGHTHS_PI": 2.414213562373095,
    "ATAN": (
        -0.33333331760434554, 0.1999954031495797, -0.14263949753605723, 0.10743668324830098,
        -0.06451718869358958,
    ),
    "ASIN": (
        0.1666666633654049, 0.07500094761172901, 0.04459931916287114, 0.031101727829067168,
        0.017143716819253568, 0.03370072632136513,
    ),
}  # fmt: skip

FLOAT64: Constants = {
    "INFINITY": float("inf"),
    "NAN": float("nan"),
    "MANTISSA": 52,
    "MANTISSA_MASK": 0xFFFFFFFFFFFFF,
    "BIAS": 1023,
    "MAGIC": 1.5 * 2.0**52,
    "SMALLEST_NORMAL": 2.0**-1022,
    "SUBNORMAL_SCALE": 2.0**54,
    "SUBNORMAL_SHIFT": 54.0,
    "SQRT_HALF": 0.7071067811865476,
    "LOG2E": 1.4426950408889634,
    "LN2": 0.6931471805599453,
    "LN2_HIGH": 0.6931471805599453,
    "LN2_LOW": 2.3190468138462996e-17,
    "EXP_HIGHEST": 710.0,
    "EXP_LOWEST": -746.0,
    "EXP_NORMAL": -708.3,
    "EXPM1_LOWEST": -40.0,
    "EXP": (
        0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326084, 0.0013888888888883711,
        0.0001984126987500228, 2.480158732567746e-05, 2.755725517000089e-06, 2.755727347871858e-07,
        2.5105312729622103e-08, 2.09147553258932e-09,
    ),
    "LOG": (
        0.6666666666666666, 0.4000000000000091, 0.2857142857078221, 0.22222222396552982, 0.18181795124476754,
        0.15386267672882226, 0.1326802614042874, 0.13094416666525344,
    ),
    "LARGE": 2.0**28,
    "TANH_HIGHEST": 20.0,
    "ERF_HIGHEST": 6.0,
    "ERF_CENTER": 2.5,
    "ERF_NEAR": (
        0.1283791670955126, -0.3761263890318375, 0.11283791670954879, -0.026866170645076792,
        0.0052239776248180145, -0.000854832698083379, 0.0001205533111164271, -1.4925595266831182e-05,
        1.6461000484121368e-06, -1.6350312701054695e-07, 1.4659775274047436e-08, -1.1372848856791674e-09,
        5.957176147748911e-11,
    ),
    "ERF_FAR": (
        0.21080636406114356, -0.3717367339489732, 0.251713193217456, -0.12503305237885554, 0.0399225390747838,
        -0.0039937011641469865, -0.002642365927759658, 0.0008759154019168855, 0.00022837955896605415,
        -0.00012887649615317198, -3.4172229273553035e-05, 1.8609712314617464e-05, 7.48480117852628e-06,
        -2.2842173094341345e-06, -1.5625258507743158e-06, 8.134380709229634e-08,
    ),
    "TWO_OVER_PI": 0.6366197723675814,
    "HALF_PI_1": 1.5707963267948966,
    "HALF_PI_2": 6.123233995736766e-17,
    "HALF_PI_3": -1.4973849048591698e-33,
    "REDUCIBLE": 1e9,
    "SIN": (
        -0.16666666666666666, 0.008333333333333331, -0.0001984126984126506, 2.7557319219335453e-06,
        -2.5052106231157904e-08, 1.605853141458901e-10, -7.586685070091267e-13,
    ),
    "COS": (
        0.041666666666666664, -0.0013888888888888887, 2.4801587301584645e-05, -2.755731922140076e-07,
        2.0876755790363397e-09, -1.1470460773969325e-11, 4.7458652037874553e-14,
    ),
    "QUARTER_PI_1": 0.7853981633974483,
    "QUARTER_PI_2": 3.061616997868383e-17,
    "PI_1": 3.141592653589793,
    "PI_2": 1.2246467991473532e-16,
    "TAN_EIGHTH_PI": 0.41421356237309503,
    "TAN_THREE_EIGHTHS_PI": 2.414213562373095,
    "ATAN": (
        -0.3333333333333333, 0.19999999999995516, -0.14285714284665682, 0.11111111015187018,
        -0.0909090457530649, 0.07692183125376892, -0.06664510525508936, 0.05858140904866328,
        -0.050854078345894844, 0.03923044778479309, -0.019175404711104935,
    ),
    "ASIN": (
        0.16666666666666669, 0.07499999999998425, 0.04464285714637338, 0.030381944137085216,
        0.022372173002005596, 0.017352391265909227, 0.013971235301124539, 0.011478952690257387,
        0.010324318288744113, 0.005450878187720551, 0.017419357964884856, -0.014881409392818063,
        0.02877844261259304,
    ),
    "TWO_THIRDS": 0.6666666666666666,
    "TWO_THIRDS_LOW": 3.700743415417188e-17,
    "POW": (
        0.4, 0.28571428571429397, 0.22222222221636845, 0.18181818339697634, 0.1538459450380989,
        0.13334829573906534, 0.1170557189567721, 0.1173010786189303,
    ),
    "LN2_SHORT": 0.6931471805598903,
    "LN2_REST": 5.497923018708371e-14,
}  # fmt: skip

PROGRAMS: dict[str, Program] = {}


def _define(signature: str, source: str) -> None:
    name, parameters = signature.rstrip(")").split("(")
    statements = []
    for statement in ast.parse(textwrap.dedent(source)).body:
        assert isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        statements.append((statement.targets[0].id, statement.value))
    constants = {"float32": FLOAT32, "float64": FLOAT64}
    PROGRAMS[name] = Program(tuple(p.strip() for p in parameters.split(",")), tuple(statements), constants)


# -------------------------------------------------------------------------------- exponentials

_define("scale(x, shifted)", """
    # x * 2^n for n = shifted - MAGIC, in two steps so that overflow and subnormals round once
    n = bits(shifted) - bits(MAGIC)
    half = n >> 1
    result = x * real((half + BIAS) << MANTISSA) * real((n - half + BIAS) << MANTISSA)
""")  # fmt: skip

_define("exp_sum(x, low)", """
    # exp(x + low) for a low far below x
    c = EXP_HIGHEST if x > EXP_HIGHEST else x
    c = EXP_LOWEST if c < EXP_LOWEST else c
    shifted = fma(c, LOG2E, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, c)) + low
    result = scale(fma(r * r, poly(r, EXP), r) + 1.0, shifted)
""")  # fmt: skip

_define("exp(x)", """
    c = EXP_HIGHEST if x > EXP_HIGHEST else x
    c = EXP_LOWEST if c < EXP_LOWEST else c
    shifted = fma(c, LOG2E, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, c))
    result = scale(fma(r * r, poly(r, EXP), r) + 1.0, shifted)
""")  # fmt: skip

_define("exp_below(x)", """
    # exp(x) for x <= 0, such as what a value is below the largest: 0 where it would not be normal
    tiny = x < EXP_NORMAL
    c = EXP_NORMAL if tiny else x
    shifted = fma(c, LOG2E, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, c))
    power = real((bits(shifted) - bits(MAGIC) + BIAS) << MANTISSA)
    result = 0.0 if tiny else (fma(r * r, poly(r, EXP), r) + 1.0) * power
""")  # fmt: skip

_define("half_exp(x)", """
    # exp(x) / 2, finite wherever cosh is
    c = EXP_HIGHEST + 1.0 if x > EXP_HIGHEST + 1.0 else x
    shifted = fma(c, LOG2E, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, c))
    result = scale(fma(r * r, poly(r, EXP), r) + 1.0, shifted - 1.0)
""")  # fmt: skip

_define("expm1(x)", """
    c = EXP_HIGHEST if x > EXP_HIGHEST else x
    c = EXPM1_LOWEST if c < EXPM1_LOWEST else c
    shifted = fma(c, LOG2E, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, c))
    p = fma(r * r, poly(r, EXP), r)
    half = real((bits(shifted) - bits(MAGIC) + (BIAS - 1)) << MANTISSA)
    near = x if x == 0.0 else p
    result = near if n == 0 else 2.0 * fma(half, p, half - 0.5)
""")  # fmt: skip

_define("tanh(x)", """
    a = abs(x)
    a = TANH_HIGHEST if a > TANH_HIGHEST else a
    e = expm1(-2.0 * a)
    result = copysign(e / (2.0 + e), x)
""")  # fmt: skip

_define("sinh(x)", """
    a = abs(x)
    e = expm1(a)
    result = copysign(half_exp(a) if a > 20.0 else 0.5 * (e + e / (e + 1.0)), x)
""")  # fmt: skip

_define("cosh(x)", """
    e = half_exp(abs(x))
    result = e + 0.25 / e
""")  # fmt: skip

# ------------------------------------------------------------------------------------------------ logarithms

_define("log_sum(f, k, c)", """
    # log(1 + f) + k log(2) + c for f in [sqrt(1/2) - 1, sqrt(2) - 1]
    s = f / (2.0 + f)
    z = s * s
    h = 0.5 * f * f
    result = fma(k, LN2_HIGH, f - (h - (s * (h + z * poly(z, LOG)) + (k * LN2_LOW + c))))
""")  # fmt: skip

_define("log_finite(x)", """
    # x = 2^k (1 + f), also for subnormals
    tiny = x < SMALLEST_NORMAL
    i = bits(x * SUBNORMAL_SCALE if tiny else x) - bits(SQRT_HALF)
    f = real((i & MANTISSA_MASK) + bits(SQRT_HALF)) - 1.0
    k = real((i >> MANTISSA) + bits(MAGIC)) - (MAGIC + SUBNORMAL_SHIFT if tiny else MAGIC)
    result = log_sum(f, k, 0.0)
""")  # fmt: skip

_define("log(x)", """
    edge = -INFINITY if x == 0.0 else (NAN if x < 0.0 else x)
    result = log_finite(x) if x > 0.0 and x < INFINITY else edge
""")  # fmt: skip

_define("log1p(x)", """
    # log(u) + log(1 + c / u), where u + c is 1 + x exactly
    u = 1.0 + x
    i = bits(u) - bits(SQRT_HALF)
    f = real((i & MANTISSA_MASK) + bits(SQRT_HALF)) - 1.0
    k = real((i >> MANTISSA) + bits(MAGIC)) - MAGIC
    c = (1.0 - (u - x) if u >= 2.0 else x - (u - 1.0)) / u
    edge = -INFINITY if x == -1.0 else (NAN if x < -1.0 else x)
    result = log_sum(f, k, c) if x > -1.0 and x < INFINITY and x != 0.0 else edge
""")  # fmt: skip

_define("asinh(x)", """
    a = abs(x)
    near = log1p(a + a * a / (1.0 + sqrt(fma(a, a, 1.0))))
    result = copysign(log(a) + LN2 if a > LARGE else near, x)
""")  # fmt: skip

_define("acosh(x)", """
    t = x - 1.0
    near = NAN if x < 1.0 else log1p(t + sqrt(fma(t, t, 2.0 * t)))
    result = log(x) + LN2 if x > LARGE else near
""")  # fmt: skip

_define("atanh(x)", """
    a = abs(x)
    result = copysign(0.5 * log1p(2.0 * a / (1.0 - a)), x)
""")  # fmt: skip

# ------------------------------------------------------------------------------------------------ powers

_define("pow_finite(x, y)", """
    # exp(y log(x)) with log(x) as an unevaluated sum of two float64, for finite x > 0
    tiny = x < SMALLEST_NORMAL
    i = bits(x * SUBNORMAL_SCALE if tiny else x) - bits(SQRT_HALF)
    m = real((i & MANTISSA_MASK) + bits(SQRT_HALF))
    k = real((i >> MANTISSA) + bits(MAGIC)) - (MAGIC + SUBNORMAL_SHIFT if tiny else MAGIC)
    f = m - 1.0
    d = m + 1.0
    s = f / d
    s_low = (fma(-s, d, f) - s * (m - (d - 1.0))) / d
    z = s * s
    z_low = fma(s, s, -z) + 2.0 * s * s_low
    w = z * poly(z, POW)
    q = TWO_THIRDS + w
    q_low = TWO_THIRDS - q + w + TWO_THIRDS_LOW
    u = z * q
    u_low = fma(z, q, -u) + z * q_low + z_low * q
    v = 2.0 + u
    v_low = 2.0 - v + u + u_low
    a = s * v
    a_low = fma(s, v, -a) + s * v_low + s_low * v
    b = k * LN2_SHORT
    log = b + a
    b_part = log - a
    log_low = b - b_part + (a - (log - b_part)) + a_low + k * LN2_REST
    p = y * log
    p_low = fma(y, log, -p) + y * log_low
    far = abs(p) > 1000.0
    result = exp_sum(copysign(1000.0, p) if far else p, 0.0 if far else p_low)
""")  # fmt: skip

_define("pow_signed(x, y, magnitude)", """
    # pow from |x|^y: signs, and where IEEE 754 fixes the value
    a = abs(x)
    edge = INFINITY if (y > 0.0) == (a > 1.0) else 0.0
    odd = rint(0.5 * y) != 0.5 * y and rint(y) == y
    value = edge if a == 0.0 or a == INFINITY or abs(y) == INFINITY else magnitude
    value = 1.0 if a == 1.0 else value
    value = -value if odd and copysign(1.0, x) < 0.0 else value
    value = NAN if x < 0.0 and a < INFINITY and rint(y) != y else value
    value = x + y if x != x or y != y else value
    result = 1.0 if y == 0.0 or x == 1.0 else value
""")  # fmt: skip

_define("pow_float32(x, y)", """
    result = pow_signed(x, y, narrow(exp(widen(y) * log(widen(abs(x))))))
""")  # fmt: skip

_define("pow_float64(x, y)", """
    result = pow_signed(x, y, pow_finite(abs(x), y))
""")  # fmt: skip

# -------------------------------------------------------------------------------- error function

_define("erf_tail_float32(b)", """
    # 1 - erf(b) for b >= 1: a root of it is near enough to one over a polynomial
    p = poly(b, ERF_TAIL)
    q = p * p
    r = q * q
    result = 1.0 / (r * r)
""")  # fmt: skip

_define("erf_tail_float64(b)", """
    result = exp(-b * b) * poly((b - ERF_CENTER) / (b + ERF_CENTER), ERF_FAR)
""")  # fmt: skip

_define("erf(x)", """
    a = abs(x)
    near = fma(x, poly(x * x, ERF_NEAR), x)
    b = ERF_HIGHEST if a > ERF_HIGHEST else a
    far = 1.0 - erf_tail(b)
    result = near if a < 1.0 else copysign(far, x)
""")  # fmt: skip

# -------------------------------------------------------------------------------- trigonometry

_define("turns(x)", """
    # the nearest multiple of pi/2, in the low bits
    result = fma(x, TWO_OVER_PI, MAGIC)
""")  # fmt: skip

_define("turned(x, shifted)", """
    # x less that multiple
    n = shifted - MAGIC
    result = fma(n, -HALF_PI_3, fma(n, -HALF_PI_2, fma(n, -HALF_PI_1, x)))
""")  # fmt: skip

_define("sin_near(r)", """
    z = r * r
    result = fma(r * z, poly(z, SIN), r)
""")  # fmt: skip

_define("cos_near(r)", """
    z = r * r
    result = fma(z, fma(z, poly(z, COS), -0.5), 1.0)
""")  # fmt: skip

_define("sin(x)", """
    shifted = turns(x)
    r = turned(x, shifted)
    value = cos_near(r) if bits(shifted) & 1 else sin_near(r)
    value = -value if bits(shifted) & 2 else value
    far = abs(x) > REDUCIBLE
    result = libm_sin(x, far) if far else (x if x == 0.0 else value)
""")  # fmt: skip

_define("cos(x)", """
    shifted = turns(x)
    r = turned(x, shifted)
    value = sin_near(r) if bits(shifted) & 1 else cos_near(r)
    value = -value if (bits(shifted) + 1) & 2 else value
    far = abs(x) > REDUCIBLE
    result = libm_cos(x, far) if far else value
""")  # fmt: skip

_define("tan(x)", """
    shifted = turns(x)
    r = turned(x, shifted)
    far = abs(x) > REDUCIBLE
    s = libm_sin(x, far) if far else sin_near(r)
    c = libm_cos(x, far) if far else cos_near(r)
    turn = bits(shifted) & 1 and not far
    result = x if x == 0.0 else (-c if turn else s) / (s if turn else c)
""")  # fmt: skip

_define("atan_ratio(y, x)", """
    # atan(y / x) for y, x >= 0, by the nearest of 0, pi/4 and pi/2
    steep = y > TAN_THREE_EIGHTHS_PI * x
    middle = y > TAN_EIGHTH_PI * x and not steep
    over = -x if steep else (y - x if middle else y)
    under = y if steep else (y + x if middle else x)
    t = over / under
    z = t * t
    base = HALF_PI_1 if steep else (QUARTER_PI_1 if middle else 0.0)
    rest = HALF_PI_2 if steep else (QUARTER_PI_2 if middle else 0.0)
    result = base + (fma(t * z, poly(z, ATAN), t) + rest)
""")  # fmt: skip

_define("atan(x)", """
    result = copysign(atan_ratio(abs(x), 1.0), x)
""")  # fmt: skip

_define("atan2(y, x)", """
    # quarters keep the sum finite; an infinity makes the other one nothing unless it is infinite, too
    part = 0.25 if abs(x) > 1.0 or abs(y) > 1.0 else 1.0
    high = abs(y) == INFINITY
    wide = abs(x) == INFINITY
    a = 1.0 if high else (0.0 if wide else part * abs(y))
    b = 1.0 if wide or (x == 0.0 and y == 0.0) else (0.0 if high else part * abs(x))
    first = atan_ratio(a, b)
    turn = copysign(1.0, x) < 0.0
    value = copysign(PI_1 - (first - PI_2) if turn else first, y)
    result = x + y if x != x or y != y else value
""")  # fmt: skip

_define("asin_rest(z)", """
    result = z * poly(z, ASIN)
""")  # fmt: skip

_define("asin(x)", """
    a = abs(x)
    z = 0.5 - 0.5 * a
    s = sqrt(z)
    outer = HALF_PI_1 - (2.0 * fma(s, asin_rest(z), s) - HALF_PI_2)
    result = copysign(outer if not (a < 0.5) else fma(a, asin_rest(a * a), a), x)
""")  # fmt: skip

_define("acos(x)", """
    a = abs(x)
    z = 0.5 - 0.5 * a
    s = sqrt(z)
    outer = 2.0 * fma(s, asin_rest(z), s)
    inner = HALF_PI_1 - (fma(x, asin_rest(x * x), x) - HALF_PI_2)
    result = inner if a < 0.5 else (PI_1 - (outer - PI_2) if x < 0.0 else outer)
""")  # fmt: skip
