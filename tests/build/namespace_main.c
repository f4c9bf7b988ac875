/* Both libraries in one program. */
int one_version(void);
int two_version(void);

int main(void)
{
    return one_version() && two_version() ? 0 : 1;
}
