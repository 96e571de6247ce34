package org.lexvla.testing;

import java.util.SplittableRandom;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.opentest4j.TestAbortedException;

/** See {@link Seeded}. */
final class SeedExtension implements ParameterResolver, TestExecutionExceptionHandler {
    private static final ExtensionContext.Namespace NAMESPACE = ExtensionContext.Namespace.create(SeedExtension.class);
    private static final SplittableRandom FRESH = new SplittableRandom();

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        return parameter.getParameter().getType() == RandomSource.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        String property = System.getProperty("lexvla.test.seed", "");
        long seed;
        synchronized (FRESH) {
            seed = property.isEmpty() ? FRESH.nextLong() : Long.decode(property);
        }
        context.getStore(NAMESPACE).put("seed", seed);
        return new RandomSource(seed);
    }

    @Override
    public void handleTestExecutionException(ExtensionContext context, Throwable failure) throws Throwable {
        Long seed = context.getStore(NAMESPACE).get("seed", Long.class);
        if (seed != null && !(failure instanceof TestAbortedException)) {
            System.err.println(context.getDisplayName() + " of "
                    + context.getRequiredTestClass().getSimpleName() + " failed with seed " + seed
                    + "; repeat it with -Dlexvla.test.seed=" + seed);
        }
        throw failure;
    }
}
